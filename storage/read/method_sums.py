"""What methods did over many runs, counted and added up by the database."""

from __future__ import annotations

from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.types.receipts import Verdict
from headscope.storage.read import filters
from headscope.storage.read.spans import Span
from headscope.storage.rows import MEASURES, MethodGains, MethodStats
from headscope.storage.schema import attribution_receipts, attributions, runs
from headscope.storage.sql.expressions import HasElement

MOST_GROUPS = 4096  # prompts whose sums are read one by one; of more, those whose hash begins alike are added up
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
Column = sa.ColumnElement[Any]


def joined(span: Span, *columns: Column) -> sa.Select[Any]:
    """Of the attributions of these runs, with their runs and, where there is one, their receipt."""
    receipt = sa.and_(C.run_id == A.run_id, C.ordinal == A.ordinal, *span.over(C.run_id))
    together = attributions.join(runs, R.id == A.run_id).outerjoin(attribution_receipts, receipt)
    return sa.select(*columns).select_from(together).where(*span.clauses, *span.over(A.run_id))


def stats(connection: Connection, span: Span, by_prompt_set: bool, unconverged: bool) -> tuple[MethodStats, ...]:
    """See `RunReader.method_stats`."""
    keys = _keys(by_prompt_set)
    columns = {**_counted(), **_measured(sa.true() if unconverged else sa.not_(UNSURE))}
    selected = [*keys, *(column.label(name) for name, column in columns.items())]
    query = joined(span, *selected).group_by(*keys)
    rows = connection.execute(query).mappings().all()
    found = [MethodStats(**{"prompt_set": None, **row, "signed": bool(row["signed"])}) for row in rows]
    return tuple(sorted(found, key=_by_gain))


def gains(connection: Connection, span: Span, by_prompt_set: bool, unconverged: bool) -> MethodGains:
    """See `RunReader.method_gains`."""
    keys = _keys(by_prompt_set)
    wanted = [OVER_RANDOM.isnot(None), *([] if unconverged else [sa.not_(UNSURE)])]
    prompts = (
        sa.select(filters.prompt_hash()).where(*span.clauses).distinct().subquery()
    )  # PostgreSQL sorts to count them
    many = int(connection.execute(sa.select(sa.func.count()).select_from(prompts)).scalar_one()) > MOST_GROUPS
    group = filters.prompt_part() if many else filters.prompt_hash()
    sums = [part for column in (OVER_RANDOM, OVER_RECENCY) for part in (sa.func.sum(column),
            sa.func.count(column))]  # fmt: skip
    query = joined(span, group, *keys, *sums).where(*wanted).group_by(group, *keys)
    rows = connection.execute(query.order_by(group, *keys)).all()
    named = [(row[0], (row[1], row[2] if by_prompt_set else None), row[-2 * len(MEASURES) :]) for row in rows]
    groups = {name: index for index, name in enumerate(dict.fromkeys(name for name, _, _ in named))}
    places = {key: index for index, key in enumerate(dict.fromkeys(key for _, key, _ in named))}
    found = np.zeros((2, len(groups), len(places), len(MEASURES)))
    for name, key, values in named:
        found[:, groups[name], places[key]] = np.array([value or 0.0 for value in values], float).reshape(-1, 2).T
    return MethodGains(tuple(places), found[0], found[1])


def _keys(by_prompt_set: bool) -> list[Column]:
    return [A.method, *([R.prompt_set] if by_prompt_set else [])]


def _counted() -> dict[str, Column]:
    """Over all attributions, whether they converged or not."""
    return {
        "signed": sa.func.max(sa.case((A.signed, 1), else_=0)),
        "n": sa.func.count(),
        "n_failed": sa.func.count(A.error),
        "n_not_converged": _count(UNSURE),
        "n_ranked": _count(RANKED),
        "n_tested": _count(TESTED),
        **{name: _count(sa.not_(UNSURE) & (C.verdict == verdict.value)) for name, verdict in VERDICTS.items()},
        "n_unsure": _count(TESTED & UNSURE),
    }


def _measured(kept: sa.ColumnElement[bool]) -> dict[str, Column]:
    """Over those that are kept."""

    def of(column: Column) -> Column:
        return sa.case((kept, column))

    return {
        "n_receipts": sa.func.count(of(OVER_RANDOM)),
        "over_random": sa.func.avg(of(OVER_RANDOM)),
        "n_recency": sa.func.count(of(OVER_RECENCY)),
        "over_recency": sa.func.avg(of(OVER_RECENCY)),
        "comprehensiveness": sa.func.avg(of(C.comprehensiveness)),
        "sufficiency": sa.func.avg(of(C.sufficiency)),
        "n_shapley": sa.func.count(of(C.shapley_top1)),
        "n_top1": _count(kept & (C.shapley_top1 == 1.0)),
        "shapley_tau": sa.func.avg(of(C.shapley_tau)),
        "n_error": sa.func.count(of(C.error)),
        "error": _percentile(0.5, of(C.error)),
        "n_sensitivity": sa.func.count(of(C.sensitivity)),
        "sensitivity": _percentile(0.5, of(C.sensitivity)),
        **_spread("seconds", "seconds", of(A.seconds)),
        **_spread("peak_bytes", "peak", of(A.peak_bytes)),
    }


def _spread(name: str, ends: str, column: Column) -> dict[str, Column]:
    shares = {name: 0.5, f"{ends}_low": 0.1, f"{ends}_high": 0.9}
    return {label: _percentile(share, column) for label, share in shares.items()}


def _percentile(share: float, column: Column) -> Column:
    return sa.func.percentile_cont(share).within_group(column)


def _count(condition: Column) -> Column:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def _by_gain(item: MethodStats) -> tuple[Any, ...]:
    return item.over_random is None, -(item.over_random or 0.0), item.method, item.prompt_set or ""
