"""One head's value in each of some runs: one element of each array, which the database picks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.types import HEAD_STATS
from headscope.storage.columns import head_sums as columns
from headscope.storage.read import drawn
from headscope.storage.read.method_sums import UNSURE
from headscope.storage.schema import attribution_heads, attributions, head_summaries, head_values

A, H, P, V = attributions.c, head_summaries.c, attribution_heads.c, head_values.c
Key = tuple[str, str, str]
Cell = tuple[int, int]
Element = tuple[UUID, Key, float | None]
"""Run, what was measured, and this head's value."""


def kept(connection: Connection, ids: Sequence[UUID], cell: Cell) -> Iterator[Element]:
    """Of runs that are in `head_values`."""
    layer, head = cell
    query = sa.select(V.run_id, V.statistic, V.quantity, V.params, V.scores[layer * V.n_heads + head + 1])
    asked = query.where(*drawn.among(V.run_id, drawn.written(ids)), layer < V.n_layers, head < V.n_heads)
    for run_id, statistic, quantity, params, value in connection.execute(asked):
        yield run_id, (statistic, quantity, params), value


def measured(connection: Connection, ids: Sequence[UUID], cell: Cell) -> Iterator[Element]:
    """Of all that was measured of the head. The runs are asked for by each table's own ids, one by one: so DuckDB reads
    no arrays of others."""
    for kind in (_attention, _scores, _relevance):
        yield from kind(connection, ids, cell)


def _attention(connection: Connection, ids: Sequence[UUID], cell: Cell) -> Iterator[Element]:
    layer, head = cell
    at = layer * H.n_heads + head + 1
    query = sa.select(H.run_id, *(H[name][at].label(name) for name in HEAD_STATS))
    asked = query.where(H.run_id.in_(ids), layer < H.n_layers, head < H.n_heads)
    for run_id, *numbers in connection.execute(asked):
        for name, value in zip(HEAD_STATS, numbers, strict=True):
            yield run_id, (name, "", ""), value


def _relevance(connection: Connection, ids: Sequence[UUID], cell: Cell) -> Iterator[Element]:
    layer, head = cell
    at = layer * P.n_heads + head + 1
    query = sa.select(P.run_id, P.method, A.quantity, A.params, P.scores[at]).select_from(
        attribution_heads.join(attributions, sa.and_(A.run_id == P.run_id, A.ordinal == P.ordinal))
    )
    asked = query.where(P.run_id.in_(ids), layer < P.n_layers, head < P.n_heads)
    for run_id, method, quantity, params, value in connection.execute(asked):
        yield run_id, (method, quantity, columns.written(params)), value


def _scores(connection: Connection, ids: Sequence[UUID], cell: Cell) -> Iterator[Element]:
    """What `columns.scores` gives, of one head. The database looks at axes and shape: as lists beside the scores they
    would take DuckDB as long as the scores themselves."""
    layer, head = cell
    axes = sa.func.array_to_string(A.axes, ",")
    conditions = sa.case((axes == _AXES["conditions"], A.shape[1]), else_=1)
    n_layers, width = (A.shape[sa.func.array_length(A.shape, 1) - back] for back in (1, 0))
    n_heads = width - sa.case((axes == _AXES["components"], 1), else_=0)
    at = layer * width + head + 1
    found = (A.scores[at], sa.case((conditions > 1, A.scores[at + n_layers * width])))
    whole = sa.func.array_length(A.scores, 1) == conditions * n_layers * width
    query = sa.select(A.run_id, A.method, A.quantity, A.params, *found).where(
        A.run_id.in_(ids), axes.in_(_AXES.values())
    )
    asked = query.where(A.error.is_(None), sa.not_(UNSURE), layer < n_layers, head < n_heads, whole)
    for run_id, method, quantity, params, value, alone in connection.execute(asked):
        key = (quantity, columns.written(params))
        yield run_id, (method, *key), value
        yield run_id, (method + columns.ALONE, *key), alone


_AXES = {"heads": "layer,head", "components": "layer,component", "conditions": "condition,layer,head"}
