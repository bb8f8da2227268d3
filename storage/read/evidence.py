"""Reading what methods did over many runs: the database counts and averages, scores come from a bounded sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.attribution.results import position_scores
from headscope.analysis.types import Float32
from headscope.storage import session
from headscope.storage.columns.attributions import attributions_of
from headscope.storage.read import counts, filters, method_sums
from headscope.storage.read.method_sums import CONVERGED, JOINED, OVER_RANDOM, RANKED, A, C, R
from headscope.storage.rows import (
    MethodFailure,
    MethodGains,
    MethodStats,
    PromptScores,
    ReceiptRow,
    RunFilter,
    ScoreSample,
)
from headscope.storage.schema import attributions, runs

CHUNK = 200  # runs whose scores are read at once
UNRANKED = ("layer_scores", "layer_shape", "score_errors")
SHOWN = ("run_id", "prompt_set", "prompt_key", "model", "text")


class EvidenceReader:
    """The part of `headscope.storage.interfaces.RunReader` that compares methods."""

    engine: Engine
    _counts: counts.Counts
    _samples: counts.Counts

    def method_stats(
        self, where: RunFilter, *, by_prompt_set: bool = False, unconverged: bool = False
    ) -> tuple[MethodStats, ...]:
        """See `RunReader.method_stats`."""
        clauses, key = _clauses(where), ("methods", repr(where), by_prompt_set, unconverged)
        with session.reading(self.engine) as connection:
            work = partial(method_sums.stats, connection, clauses, by_prompt_set, unconverged)
            return self._counts.get(key, counts.version(connection), work)

    def method_gains(self, where: RunFilter, *, by_prompt_set: bool = False, unconverged: bool = False) -> MethodGains:
        """See `RunReader.method_gains`."""
        clauses, key = _clauses(where), ("gains", repr(where), by_prompt_set, unconverged)
        with session.reading(self.engine) as connection:
            work = partial(method_sums.gains, connection, clauses, by_prompt_set, unconverged)
            return self._samples.get(key, counts.version(connection), work)

    def method_failures(self, where: RunFilter, limit: int = 100) -> tuple[MethodFailure, ...]:
        """See `RunReader.method_failures`."""
        count = sa.func.count()
        example = sa.func.min(sa.cast(A.run_id, sa.String))
        query = sa.select(A.method, A.error, count, example).join_from(attributions, runs, R.id == A.run_id)
        query = query.where(*_clauses(where), A.error.isnot(None)).group_by(A.method, A.error)
        with session.reading(self.engine) as connection:
            rows = connection.execute(query.order_by(count.desc(), A.method, A.error).limit(limit))
            return tuple(MethodFailure(method, reason, n, run_id) for method, reason, n, run_id in rows)

    def receipts(
        self, where: RunFilter, method: str = "", limit: int = 100, *, unconverged: bool = False
    ) -> tuple[ReceiptRow, ...]:
        """See `RunReader.receipts`."""
        elsewhere = {"run_id": R.id, "converged": sa.cast(CONVERGED, sa.Boolean), "method_seconds": A.seconds}
        elsewhere |= {name: A[name] for name in ("quantity", "target", "foil", "peak_bytes")}
        elsewhere |= {name: R[name] for name in ("experiment", "model", "prompt_set", "prompt_key", "text")}
        columns = [
            (elsewhere[name] if name in elsewhere else C[name]).label(name) for name in ReceiptRow.__dataclass_fields__
        ]
        query = sa.select(*columns).select_from(JOINED).where(*_clauses(where), C.run_id.isnot(None))
        if method:
            query = query.where(A.method == method)
        if not unconverged:
            query = query.where(CONVERGED.is_distinct_from("false"))
        with session.reading(self.engine) as connection:
            rows = connection.execute(query.order_by(OVER_RANDOM.nulls_last(), R.id, A.ordinal).limit(limit)).mappings()
            return tuple(ReceiptRow(**{**row, "run_id": str(row["run_id"])}) for row in rows)

    def position_scores(self, where: RunFilter, limit: int = 2000) -> ScoreSample:
        """See `RunReader.position_scores`."""
        clauses = _clauses(where)
        with session.reading(self.engine) as connection:
            key, version = ("scores", repr(where), limit), counts.version(connection)
            return self._samples.get(key, version, lambda: _sample(connection, clauses, limit, version))


def _clauses(where: RunFilter) -> list[filters.Clause]:
    return filters.clauses(where, sa.exists().where(A.run_id == R.id))


def _sample(connection: Connection, clauses: Sequence[filters.Clause], limit: int, version: int) -> ScoreSample:
    there = sa.exists().where(A.run_id == R.id, RANKED)
    wanted = [*clauses, there]
    total = int(connection.execute(sa.select(sa.func.count()).select_from(runs).where(*wanted)).scalar_one())
    query = sa.select(R.id).where(*wanted)
    if total > limit:  # as good as random, and the same runs every time
        query = query.order_by(sa.func.md5(sa.cast(R.id, sa.String))).limit(limit)
    ids = sorted(connection.execute(query).scalars())
    found = [item for start in range(0, len(ids), CHUNK) for item in _scores(connection, ids[start : start + CHUNK])]
    return ScoreSample(tuple(found), total, version)


def _scores(connection: Connection, ids: Sequence[UUID]) -> Iterator[PromptScores]:
    """Scores of a few runs, in the order of their ids; wide ones are summed over heads before the next are read."""
    columns = [column for column in attributions.columns if column.name not in UNRANKED]
    blank = [sa.null().label(name) for name in UNRANKED]
    shown = [R[name] for name in SHOWN[1:]]
    query = sa.select(*columns, *blank, *shown).join_from(attributions, runs, R.id == A.run_id)
    rows = connection.execute(query.where(R.id.in_(ids), RANKED).order_by(R.id, A.ordinal)).mappings().all()
    by_run: dict[UUID, list[Mapping[Any, Any]]] = {}
    for row in rows:
        by_run.setdefault(row["run_id"], []).append(row)
    for mine in by_run.values():
        scores: dict[str, Float32] = {}
        found = attributions_of(mine)
        for item in found:
            ranked = position_scores(item)
            if ranked is not None:
                scores.setdefault(item.method, ranked)
        signed = frozenset(item.method for item in found if item.signed)
        unsure = frozenset(item.method for item in found if item.outcome.converged is False)
        first = {name: mine[0][name] for name in SHOWN}
        yield PromptScores(**{**first, "run_id": str(first["run_id"])}, target=found[0].target, foil=found[0].foil,
                           scores=scores, signed=signed, not_converged=unsure)  # fmt: skip
