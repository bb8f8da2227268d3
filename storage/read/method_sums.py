"""What methods did over many runs, counted and added up by the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
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

MOST_GROUPS, DIGITS = 1024, 2
"""Prompts whose sums are read one by one; of more, those whose hash begins with the same digits are added up: 256 parts
are enough to draw from, and drawing from thousands takes longer than to add them up."""
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
Key = tuple[str, str | None]
NONE: Mapping[str, Any] = {
    field.name: 0 if field.name in {"signed", "n"} or field.name.startswith("n_") else None
    for field in fields(MethodStats) if field.name not in {"method", "prompt_set"}
}  # fmt: skip
"""What a method has of which nothing is measured."""


def joined(span: Span, *columns: Column) -> sa.Select[Any]:
    """Of the attributions of these runs, with their runs and, where there is one, their receipt."""
    receipt = sa.and_(C.run_id == A.run_id, C.ordinal == A.ordinal, *span.over(C.run_id))
    together = attributions.join(runs, R.id == A.run_id).outerjoin(attribution_receipts, receipt)
    return sa.select(*columns).select_from(together).where(*span.clauses, *span.over(A.run_id))


def stats(connection: Connection, span: Span, by_prompt_set: bool, unconverged: bool) -> tuple[MethodStats, ...]:
    """See `RunReader.method_stats`. What did not converge is a group of its own: the outcome is looked into once per
    row, and not once more for each of two dozen columns."""
    keys, counted, judged, measured = _keys(by_prompt_set), _counted(), _judged(), _measured()
    apart = {**counted, **judged, **({} if unconverged else measured)}
    found: dict[Key, dict[str, Any]] = {}
    for key, row in _rows(connection, span, [*keys, UNSURE.label("unsure")], apart):
        mine = found.setdefault(key, dict(NONE))
        mine.update({name: mine[name] + row[name] for name in counted})
        if row["unsure"]:
            mine.update(n_not_converged=row["n"], n_unsure=row["n_tested"])
        else:
            mine.update({name: row[name] for name in apart if name not in counted})
    if unconverged:
        for key, row in _rows(connection, span, keys, measured):
            found[key].update({name: row[name] for name in measured})
    made = [MethodStats(*key, **{**mine, "signed": bool(mine["signed"])}) for key, mine in found.items()]
    return tuple(sorted(made, key=_by_gain))


def _rows(
    connection: Connection, span: Span, keys: Sequence[Column], columns: Mapping[str, Column]
) -> list[tuple[Key, Mapping[Any, Any]]]:
    """Method and prompt set (None where they are not asked apart), and the row."""
    query = joined(span, *keys, *(column.label(name) for name, column in columns.items())).group_by(*keys)
    rows = connection.execute(query).mappings()
    return [((row["method"], row.get("prompt_set")), row) for row in rows]


def gains(connection: Connection, span: Span, by_prompt_set: bool, unconverged: bool) -> MethodGains:
    """See `RunReader.method_gains`."""
    keys = _keys(by_prompt_set)
    wanted = [OVER_RANDOM.isnot(None), *([] if unconverged else [sa.not_(UNSURE)])]
    prompts = sa.select(filters.prompt_group()).where(*span.clauses).distinct().subquery()  # quicker than to count them
    many = int(connection.execute(sa.select(sa.func.count()).select_from(prompts)).scalar_one()) > MOST_GROUPS
    group = filters.prompt_part(DIGITS) if many else filters.prompt_group()
    sums = [part for column in (OVER_RANDOM, OVER_RECENCY) for part in (sa.func.sum(column),
            sa.func.count(column))]  # fmt: skip
    query = joined(span, group, *keys, *sums).where(*wanted).group_by(group, *keys)
    rows = sorted(connection.execute(query).all(), key=lambda row: tuple(map(str, row[: 1 + len(keys)])))
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
        "n_ranked": _count(RANKED),
        "n_tested": _count(TESTED),
    }


def _judged() -> dict[str, Column]:
    """Over those that converged."""
    return {name: _count(C.verdict == verdict.value) for name, verdict in VERDICTS.items()}


def _measured() -> dict[str, Column]:
    """Over those that are kept."""
    return {
        "n_receipts": sa.func.count(OVER_RANDOM),
        "over_random": sa.func.avg(OVER_RANDOM),
        "n_recency": sa.func.count(OVER_RECENCY),
        "over_recency": sa.func.avg(OVER_RECENCY),
        "comprehensiveness": sa.func.avg(C.comprehensiveness),
        "sufficiency": sa.func.avg(C.sufficiency),
        "n_shapley": sa.func.count(C.shapley_top1),
        "n_top1": _count(C.shapley_top1 == 1.0),
        "shapley_tau": sa.func.avg(C.shapley_tau),
        "n_error": sa.func.count(C.error),
        "error": _percentile(0.5, C.error),
        "n_sensitivity": sa.func.count(C.sensitivity),
        "sensitivity": _percentile(0.5, C.sensitivity),
        **_spread("seconds", "seconds", A.seconds),
        **_spread("peak_bytes", "peak", A.peak_bytes),
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
