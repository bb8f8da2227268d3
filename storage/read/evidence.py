"""Reading what methods did over many runs: the database counts and averages, scores come from a bounded sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.attribution.results import position_scores
from headscope.analysis.types import Float32
from headscope.analysis.types.receipts import Verdict
from headscope.storage import session
from headscope.storage.columns.attributions import attributions_of
from headscope.storage.read import counts, filters
from headscope.storage.rows import MethodFailure, MethodStats, PromptScores, ReceiptRow, RunFilter, ScoreSample
from headscope.storage.schema import attribution_receipts, attributions, runs
from headscope.storage.sql.expressions import HasElement

CHUNK = 200  # runs whose scores are read at once
A, C, R = attributions.c, attribution_receipts.c, runs.c
OVER_RANDOM = C.gain - C.random_gain
RANKED = sa.and_(A.error.is_(None), HasElement(A.axes, "position"), sa.not_(HasElement(A.axes, "target_position")))
UNRANKED = ("layer_scores", "layer_shape", "score_errors")
CONVERGED = sa.cast(A.outcome.op("->>")("converged"), sa.String)
NOT_CONVERGED = CONVERGED == "false"
SHOWN = ("run_id", "prompt_set", "prompt_key", "model", "text")


class EvidenceReader:
    """The part of `headscope.storage.interfaces.RunReader` that compares methods."""

    engine: Engine
    _counts: counts.Counts
    _samples: counts.Counts

    def method_stats(self, where: RunFilter, *, by_prompt_set: bool = False) -> tuple[MethodStats, ...]:
        """See `RunReader.method_stats`."""
        clauses = filters.clauses(where)
        with session.reading(self.engine) as connection:
            key, version = ("methods", repr(where), by_prompt_set), counts.version(connection)
            return self._counts.get(key, version, lambda: _stats(connection, clauses, by_prompt_set))

    def method_failures(self, where: RunFilter, limit: int = 100) -> tuple[MethodFailure, ...]:
        """See `RunReader.method_failures`."""
        count = sa.func.count()
        example = sa.func.min(sa.cast(A.run_id, sa.String))
        query = sa.select(A.method, A.error, count, example).join_from(attributions, runs, R.id == A.run_id)
        query = query.where(*filters.clauses(where), A.error.isnot(None)).group_by(A.method, A.error)
        with session.reading(self.engine) as connection:
            rows = connection.execute(query.order_by(count.desc(), A.method, A.error).limit(limit))
            return tuple(MethodFailure(method, reason, n, run_id) for method, reason, n, run_id in rows)

    def receipts(self, where: RunFilter, method: str = "", limit: int = 100) -> tuple[ReceiptRow, ...]:
        """See `RunReader.receipts`."""
        of_run = {"run_id": R.id, "target": A.target, "foil": A.foil, "converged": sa.cast(CONVERGED, sa.Boolean)}
        of_run |= {name: R[name] for name in ("experiment", "model", "prompt_set", "prompt_key", "text")}
        names = ReceiptRow.__dataclass_fields__
        columns = [of_run[name].label(name) if name in of_run else C[name] for name in names]
        query = sa.select(*columns).select_from(_joined()).where(*filters.clauses(where), C.run_id.isnot(None))
        if method:
            query = query.where(A.method == method)
        with session.reading(self.engine) as connection:
            rows = connection.execute(query.order_by(OVER_RANDOM.nulls_last(), R.id, A.ordinal).limit(limit)).mappings()
            return tuple(ReceiptRow(**{**row, "run_id": str(row["run_id"])}) for row in rows)

    def position_scores(self, where: RunFilter, limit: int = 2000) -> ScoreSample:
        """See `RunReader.position_scores`."""
        clauses = filters.clauses(where)
        with session.reading(self.engine) as connection:
            key, version = ("scores", repr(where), limit), counts.version(connection)
            return self._samples.get(key, version, lambda: _sample(connection, clauses, limit, version))


def _joined() -> sa.FromClause:
    """Attributions with their runs and, where there is one, their receipt."""
    receipts = attribution_receipts
    return attributions.join(runs, R.id == A.run_id).outerjoin(
        receipts, sa.and_(C.run_id == A.run_id, C.ordinal == A.ordinal)
    )


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def _median(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.percentile_cont(0.5).within_group(column)


def _stats(connection: Connection, clauses: Sequence[filters.Clause], by_prompt_set: bool) -> tuple[MethodStats, ...]:
    keys: list[sa.ColumnElement[Any]] = [A.method, *([R.prompt_set] if by_prompt_set else [])]
    measured = sa.and_(C.run_id.isnot(None), OVER_RANDOM.isnot(None))
    columns = {
        "signed": sa.func.max(sa.case((A.signed, 1), else_=0)),
        "n": sa.func.count(),
        "n_failed": sa.func.count(A.error),
        "n_not_converged": _count(NOT_CONVERGED),
        "n_ranked": _count(RANKED),
        "n_receipts": _count(measured),
        "n_better": _count(sa.and_(measured, C.verdict == Verdict.BETTER.value)),
        "gain": sa.func.avg(OVER_RANDOM),
        "deviation": sa.func.stddev_samp(OVER_RANDOM),
        "comprehensiveness": sa.func.avg(C.comprehensiveness),
        "sufficiency": sa.func.avg(C.sufficiency),
        "n_error": sa.func.count(C.error),
        "error": _median(C.error),
        "n_sensitivity": sa.func.count(C.sensitivity),
        "sensitivity": _median(C.sensitivity),
        "seconds": sa.func.avg(A.seconds),
        "peak_bytes": sa.func.max(A.peak_bytes),
    }
    selected = [*keys, *(column.label(name) for name, column in columns.items())]
    query = sa.select(*selected).select_from(_joined()).where(*clauses).group_by(*keys)
    rows = connection.execute(query).mappings().all()
    found = [MethodStats(**{"prompt_set": None, **row, "signed": bool(row["signed"])}) for row in rows]
    return tuple(sorted(found, key=_by_gain))


def _by_gain(item: MethodStats) -> tuple[Any, ...]:
    return item.gain is None, -(item.gain or 0.0), item.method, item.prompt_set or ""


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
