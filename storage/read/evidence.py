"""Reading what methods did over many runs: the database counts and averages, scores come from a bounded sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.attribution.results import over_positions
from headscope.analysis.types import Float32
from headscope.storage import session
from headscope.storage.read import counts, drawn, filters, method_stats, method_sums, spans
from headscope.storage.read.method_stats import MethodAnswers
from headscope.storage.read.method_sums import CONVERGED, OVER_RANDOM, RANKED, UNSURE, A, C, R
from headscope.storage.read.spans import Span
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
from headscope.storage.sql import arrays

CHUNK, ROWS = 500, 1_000
"""Runs whose scores are asked for at once, and attributions that are held before wide ones are summed over heads."""
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
        return self._answers(where, by_prompt_set).stats[unconverged]

    def method_gains(self, where: RunFilter, *, by_prompt_set: bool = False, unconverged: bool = False) -> MethodGains:
        """See `RunReader.method_gains`."""
        return self._answers(where, by_prompt_set).gains[unconverged]

    def _answers(self, where: RunFilter, by_prompt_set: bool) -> MethodAnswers:
        with session.reading(self.engine) as connection:
            span, version = self._span(connection, where)
            return self._samples.get(
                _key(where, by_prompt_set), version,
                lambda: method_stats.answers(method_sums.read(connection, span, by_prompt_set)),
            )  # fmt: skip

    def method_failures(self, where: RunFilter, limit: int = 100) -> tuple[MethodFailure, ...]:
        """See `RunReader.method_failures`."""
        count = sa.func.count()
        example = sa.func.min(sa.cast(A.run_id, sa.String))
        query = sa.select(A.method, A.error, count, example).join_from(attributions, runs, R.id == A.run_id)
        query = query.where(A.error.isnot(None)).group_by(A.method, A.error)
        with session.reading(self.engine) as connection:
            span, version = self._span(connection, where)
            for by_prompt_set in (False, True):  # what the leaderboard has read of these runs says it, as a rule
                kept = self._samples.kept(_key(where, by_prompt_set), version, MethodAnswers)
                if kept and kept.failures is not None:
                    return kept.failures[:limit]
            query = query.where(*span.clauses, *span.over(A.run_id))
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
        kept = [C.run_id.isnot(None), *([C.method == method] if method else []),
                *([] if unconverged else [CONVERGED.is_distinct_from("false")])]  # fmt: skip
        with session.reading(self.engine) as connection:
            query = method_sums.joined(self._span(connection, where)[0], *columns).where(*kept)
            rows = connection.execute(query.order_by(OVER_RANDOM.nulls_last(), R.id, A.ordinal).limit(limit)).mappings()
            return tuple(ReceiptRow(**{**row, "run_id": str(row["run_id"])}) for row in rows)

    def position_scores(self, where: RunFilter, limit: int = 2000) -> ScoreSample:
        """See `RunReader.position_scores`."""
        with session.reading(self.engine) as connection:
            (span, version), key = self._span(connection, where), ("scores", repr(where), limit)
            return self._samples.get(key, version, lambda: _sample(connection, span, limit, version))

    def _span(self, connection: Connection, where: RunFilter) -> tuple[Span, int]:
        """Where these runs lie, and the version of the store that this holds for."""
        version = counts.version(connection)
        return spans.kept(connection, self._counts, version, where, _attributed), version


def _key(where: RunFilter, by_prompt_set: bool) -> tuple[str, str, bool]:
    return "methods", repr(where), by_prompt_set


def _attributed(span: Span) -> filters.Clause:
    theirs = attributions.alias().c
    return sa.exists().where(theirs.run_id == R.id, *span.over(theirs.run_id))


def _sample(connection: Connection, span: Span, limit: int, version: int) -> ScoreSample:
    wanted = [*span.clauses, sa.exists().where(A.run_id == R.id, *span.over(A.run_id), RANKED)]
    query = sa.select(R.id, sa.func.count().over()).where(*wanted)  # as good as random, and the same runs every time
    rows = connection.execute(query.order_by(sa.func.md5(sa.cast(R.id, sa.String))).limit(limit)).all()
    ids, total = sorted(row[0] for row in rows), rows[0][1] if rows else 0
    pieces = [[one for one in ids if first <= one <= last] for first, last in span.ends] or [ids]  # nothing in between
    found = [
        item
        for some in pieces
        for at in range(0, len(some), CHUNK)
        for item in _scores(connection, some[at : at + CHUNK])
    ]
    return ScoreSample(tuple(found), total, version)


def _scores(connection: Connection, ids: Sequence[UUID]) -> Iterator[PromptScores]:
    """Scores of a few runs, in the order of their ids."""
    among, known = drawn.written(ids), ("method", "target", "foil", "axes", "shape", "scores", "signed")
    said = sa.select(sa.cast(R.id, sa.String).label("run_id"), *(R[name] for name in SHOWN[1:]))
    of_runs = {row["run_id"]: row for row in connection.execute(said.where(*drawn.among(R.id, among))).mappings()}
    columns = (sa.cast(A.run_id, sa.String).label("run_id"), *(A[name] for name in known), UNSURE.label("unsure"))
    theirs = sa.select(*columns).where(*drawn.among(A.run_id, among), RANKED).order_by(A.run_id, A.ordinal)
    found = chain.from_iterable(arrays.rows(connection, theirs, ROWS))
    for run_id, mine in groupby(found, itemgetter("run_id")):
        yield _of_run(of_runs[run_id], list(mine))


def _of_run(run: Mapping[Any, Any], rows: Sequence[Mapping[Any, Any]]) -> PromptScores:
    scores: dict[str, Float32] = {}
    for row in rows:
        ranked = over_positions(row["scores"].reshape(row["shape"]), row["axes"], signed=row["signed"])
        if ranked is not None:
            scores.setdefault(row["method"], ranked)
    signed = frozenset(row["method"] for row in rows if row["signed"])
    unsure = frozenset(row["method"] for row in rows if row["unsure"])
    aim = {name: rows[0][name] for name in ("target", "foil")}
    return PromptScores(**{name: run[name] for name in SHOWN}, **aim, scores=scores, signed=signed,
                        not_converged=unsure)  # fmt: skip
