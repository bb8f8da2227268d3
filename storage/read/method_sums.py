"""What methods did over many runs, counted and added up by the database: once for the statistics and for what their
intervals are worked out from (`headscope.storage.read.method_stats`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from headscope.analysis.types.receipts import Verdict
from headscope.storage.read import filters
from headscope.storage.read.spans import Span
from headscope.storage.schema import attribution_receipts, attributions, runs
from headscope.storage.sql import arrays
from headscope.storage.sql.expressions import HasElement

MOST_GROUPS, DIGITS = 1024, 2
"""Prompts whose sums are read one by one; of more, those whose hash begins with the same digits are added up: 256 parts
are enough to draw from, and drawing from thousands takes longer than to add them up."""
AT_ONCE = 1_000
A, C, R = attributions.c, attribution_receipts.c, runs.c
OVER_RANDOM = C.gain - C.random_gain
OVER_RECENCY = C.gain - C.recency_gain
RANKED = sa.and_(A.error.is_(None), HasElement(A.axes, "position"), sa.not_(HasElement(A.axes, "target_position")))
CONVERGED = sa.cast(A.outcome.op("->>")("converged"), sa.String)
UNSURE = CONVERGED.is_not_distinct_from("false")
TESTED = C.verdict.isnot(None) & (C.verdict != Verdict.UNMEASURED.value)
VERDICTS = {
    "n_better": Verdict.BETTER,
    "n_better_than_random": Verdict.BETTER_THAN_RANDOM,
    "n_uncompared": Verdict.UNCOMPARED,
    "n_no_better": Verdict.NO_BETTER,
}
MEANS = {
    "over_random": OVER_RANDOM,
    "over_recency": OVER_RECENCY,
    "comprehensiveness": C.comprehensiveness,
    "sufficiency": C.sufficiency,
    "shapley_tau": C.shapley_tau,
}
Column = sa.ColumnElement[Any]


def _of_scores(column: Column) -> Column:
    """What scores took: an attempt that ended in an error took next to nothing."""
    return sa.case((A.error.is_(None), column))


SPREADS = {"error": C.error, "sensitivity": C.sensitivity, "seconds": _of_scores(A.seconds),
           "peak_bytes": _of_scores(A.peak_bytes)}  # fmt: skip
Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class MethodSums:
    """A row: a method (on a prompt set) on a model over one prompt or a part of the prompts; what did not converge is a
    row of its own. keys, models, groups: `[row]`, whose they are. unsure: bool `[row]`, did not converge. numbers:
    float64 `[row]` of each count (`n_...`) and sum. values: of each name in SPREADS, a vector of what was measured for
    each row. errors: `[row]`, of those that failed the first and the last reason by the alphabet, and the first run;
    None of none."""

    keys: tuple[Key, ...]
    models: tuple[str, ...]
    groups: tuple[str, ...]
    unsure: NDArray[np.bool_]
    numbers: Mapping[str, NDArray[np.float64]]
    values: Mapping[str, tuple[NDArray[np.float64], ...]]
    errors: tuple[tuple[str | None, str | None, str | None], ...]


def joined(span: Span, *columns: Column) -> sa.Select[Any]:
    """Of the attributions of these runs, with their runs and, where there is one, their receipt."""
    receipt = sa.and_(C.run_id == A.run_id, C.ordinal == A.ordinal, *span.over(C.run_id))
    together = attributions.join(runs, R.id == A.run_id).outerjoin(attribution_receipts, receipt)
    return sa.select(*columns).select_from(together).where(*span.clauses, *span.over(A.run_id))


def read(connection: Connection, span: Span, by_prompt_set: bool) -> MethodSums:
    """One scan of them all: joining receipts and looking into the outcome of each take longer than adding up."""
    prompts = sa.select(filters.prompt_group()).where(*span.clauses).distinct().subquery()  # quicker than to count them
    many = int(connection.execute(sa.select(sa.func.count()).select_from(prompts)).scalar_one()) > MOST_GROUPS
    keys = {"part": filters.prompt_part(DIGITS) if many else filters.prompt_group(), "method": A.method,
            "model": R.model, **({"prompt_set": R.prompt_set} if by_prompt_set else {}), "unsure": UNSURE}  # fmt: skip
    numbers, values = _numbers(), {name: _measured(column) for name, column in SPREADS.items()}
    errors = {"first": sa.func.min(A.error), "last": sa.func.max(A.error), "run": _first_failed()}
    columns = [column.label(name) for name, column in {**keys, **numbers, **values, **errors}.items()]
    found = arrays.rows(connection, joined(span, *columns).group_by(*keys.values()), AT_ONCE)
    rows = sorted((row for some in found for row in some), key=lambda row: [str(row.get(name)) for name in keys])
    return MethodSums(
        keys=tuple((row["method"], row.get("prompt_set")) for row in rows),
        models=tuple(row["model"] for row in rows),
        groups=tuple(row["part"] for row in rows),
        unsure=np.array([row["unsure"] for row in rows], dtype=bool),
        numbers={name: np.array([row[name] or 0.0 for row in rows], dtype=float) for name in numbers},
        values={name: tuple(np.empty(0) if row[name] is None else row[name] for row in rows) for name in values},
        errors=tuple((row["first"], row["last"], row["run"]) for row in rows),
    )


def _numbers() -> dict[str, Column]:
    counts = {
        "n": sa.func.count(),
        "n_signed": _count(A.signed),
        "n_failed": sa.func.count(A.error),
        "n_ranked": _count(RANKED),
        "n_tested": _count(TESTED),
        "n_top1": _count(C.shapley_top1 == 1.0),
        "n_shapley": sa.func.count(C.shapley_top1),
        **{name: _count(C.verdict == verdict.value) for name, verdict in VERDICTS.items()},
    }
    sums = {name: sa.func.sum(column) for name, column in MEANS.items()}
    return {**counts, **sums, **{f"n_{name}": sa.func.count(column) for name, column in MEANS.items()}}


def _first_failed() -> Column:
    return sa.func.min(sa.case((A.error.isnot(None), sa.cast(A.run_id, sa.String))))


def _count(condition: Column) -> Column:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _measured(column: Column) -> Column:
    return sa.func.array_agg(sa.cast(column, sa.Double())).filter(column.isnot(None))
