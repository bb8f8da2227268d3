"""Everything that was measured of heads in some runs, array by array: what sums over heads are added up from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.types import Float32
from headscope.storage.columns import head_sums as columns
from headscope.storage.columns.head_sums import HeadSums, Measured
from headscope.storage.schema import attribution_heads, attributions, head_summaries, runs
from headscope.storage.sql import arrays
from headscope.storage.sql.expressions import HasElement

A, P = attributions.c, attribution_heads.c
Chosen = Callable[[sa.Column[Any]], sa.ColumnElement[bool]]
"""A run's id, in whatever column, to the condition that it is one of the runs."""


class Value(NamedTuple):
    """What was measured in a run, `[layer * head]`."""

    run_id: UUID
    model: str
    key: Measured
    scores: Float32


AT_ONCE = 1_000
"""Arrays held at once."""


def sums(connection: Connection, chosen: Chosen) -> dict[tuple[str, Measured], HeadSums]:
    """What the arrays of the runs add up to, by model and what was measured."""
    return columns.merged(item for part in values(connection, chosen) for item in _summed(part))


def values(connection: Connection, chosen: Chosen) -> Iterator[list[Value]]:
    """What was measured of heads in the runs, some rows at a time; arrays of the wrong length are left out."""
    read = ((_attention(chosen), columns.attention), (_scores(chosen), columns.scores), (_passed(chosen), _relevance))
    for query, of_row in read:
        for rows in arrays.rows(connection, query, AT_ONCE):
            found = (Value(row["run_id"], row["of_model"], *item) for row in rows for item in of_row(row))
            yield [value for value in found if len(value.scores) == value.key.n_layers * value.key.n_heads]


def _summed(part: Sequence[Value]) -> Iterator[tuple[tuple[str, Measured], HeadSums]]:
    by_model: dict[str, list[tuple[Measured, Any]]] = {}
    for value in part:
        by_model.setdefault(value.model, []).append((value.key, value.scores))
    return (((model, key), found) for model, mine in by_model.items() for key, found in columns.summed(mine).items())


def _relevance(row: columns.Row) -> list[tuple[Measured, Any]]:
    return [columns.relevance(row)]


def _of(table: sa.Table, chosen: Chosen, *shown: sa.ColumnElement[Any]) -> sa.Select[Any]:
    query = sa.select(*shown, runs.c.model.label("of_model")).join_from(table, runs, runs.c.id == table.c.run_id)
    return query.where(chosen(table.c.run_id))


def _attention(chosen: Chosen) -> sa.Select[Any]:
    return _of(head_summaries, chosen, *head_summaries.columns)


def _scores(chosen: Chosen) -> sa.Select[Any]:
    over_heads = sa.and_(HasElement(A.axes, "layer"), sa.not_(HasElement(A.axes, "position")))
    names = ("run_id", "method", "quantity", "axes", "shape", "scores", "params", "error", "outcome")
    return _of(attributions, chosen, *(A[name] for name in names)).where(over_heads)


def _passed(chosen: Chosen) -> sa.Select[Any]:
    same = sa.and_(A.run_id == P.run_id, A.ordinal == P.ordinal)
    shown = (*attribution_heads.columns, A.quantity, A.params)
    return _of(attribution_heads, chosen, *shown).join(attributions, same)
