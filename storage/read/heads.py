"""Reading what was measured of heads: sums that the writer keeps, and one head run by run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.types import HEAD_STATS
from headscope.storage import session
from headscope.storage.columns import head_sums as columns
from headscope.storage.columns.head_sums import HeadSums, Measured
from headscope.storage.read import counts, drawn, filters, head_arrays, spans
from headscope.storage.read.behaviour import sampled
from headscope.storage.read.spans import Span
from headscope.storage.rows import Condition, HeadMeans, HeadRuns, HeadStats, RunFilter
from headscope.storage.rows.filters import PARTS
from headscope.storage.schema import (
    attribution_heads,
    attributions,
    experiments,
    head_summaries,
    head_sums,
    models,
    prompt_sets,
    runs,
)
from headscope.storage.sql.expressions import HasElement

R, A, H, P = runs.c, attributions.c, head_summaries.c, attribution_heads.c
Key = tuple[str, str, str]
Cell = tuple[int, int]
SUMMED_BY = {"experiment": experiments.c.name, "model": models.c.name, "prompt_set": prompt_sets.c.name}
MOST = 2_000
"""Runs whose arrays are read where no sums are kept: about two seconds for 144 heads, in proportion for more."""
MANY, FEWER, AMONG = 100_000, 500, 4
"""Of more runs than `MANY` `FEWER` are looked at one by one, drawn among `AMONG` times as many: their arrays lie far
apart, and to count and order all takes longer than to read them."""


def _measured(span: Span) -> filters.Clause:
    """Whether anything that may be of heads was measured in a run of the span."""
    tables = (table.alias().c for table in (head_summaries, attributions))
    return sa.or_(*(sa.exists().where(table.run_id == R.id, *span.over(table.run_id)) for table in tables))


MEASURED = _measured(Span())


class HeadReader:
    """The part of `headscope.storage.interfaces.RunReader` about heads."""

    engine: Engine
    _samples: counts.Counts

    def head_stats(self, where: RunFilter, most: int = MOST) -> HeadStats:
        """See `RunReader.head_stats`."""
        filters.clauses(where)
        with session.reading(self.engine) as connection:
            asked, version = ("heads", repr(where), most), counts.version(connection)
            return self._samples.get(asked, version, lambda: _stats(connection, where, most))

    def head_runs(self, where: RunFilter, layer: int, head: int, limit: int = 2_000) -> HeadRuns:
        """See `RunReader.head_runs`."""
        filters.clauses(where)
        key = ("head runs", repr(where), layer, head, limit)
        with session.reading(self.engine) as connection:
            version = counts.version(connection)
            return self._samples.get(key, version, lambda: _runs(connection, where, (layer, head), limit))


def _stats(connection: Connection, where: RunFilter, most: int) -> HeadStats:
    if _summed_up(connection, where):
        return HeadStats(_means_of(_kept(connection, where)))
    total = _count(connection, [*filters.clauses(where), MEASURED])
    newest = spans.span(connection, replace(where, newest=most), _measured)
    chosen = drawn.written(connection.execute(sa.select(R.id).where(*newest.within())).scalars())
    means = _means_of(
        head_arrays.sums(connection, lambda column: sa.and_(*drawn.among(column, chosen), *newest.over(column)))
    )
    return HeadStats(means, most, total) if total > most else HeadStats(means)


def _apart(where: RunFilter) -> tuple[list[Condition], RunFilter]:
    """The conditions on what the kept sums are apart by, and the rest of the filter."""
    ours = [item for item in where.conditions if item.column in SUMMED_BY]
    return ours, replace(where, conditions=tuple(item for item in where.conditions if item.column not in SUMMED_BY))


def _summed_up(connection: Connection, where: RunFilter) -> bool:
    """Whether the kept sums are of just these runs: no run of theirs in which anything was measured is left out by the
    rest of the filter."""
    ours, rest = _apart(where)
    if not (clauses := filters.clauses(rest)):
        return True
    out = sa.not_(sa.func.coalesce(sa.and_(*clauses), sa.false()))
    left_out = sa.select(R.id).where(*filters.clauses(RunFilter(tuple(ours))), MEASURED, out).limit(1)
    return connection.execute(left_out).first() is None


def _kept(connection: Connection, where: RunFilter) -> dict[tuple[str, Measured], HeadSums]:
    """The sums that the writer keeps, added up over experiments and prompt sets."""
    joined = head_sums.join(experiments, experiments.c.id == head_sums.c.experiment_id)
    joined = joined.join(models, models.c.id == head_sums.c.model_id)
    joined = joined.outerjoin(prompt_sets, prompt_sets.c.id == head_sums.c.prompt_set_id)
    query = sa.select(head_sums, models.c.name.label("model")).select_from(joined)
    rows = connection.execute(query.where(*filters.clauses_on(_apart(where)[0], SUMMED_BY))).mappings()
    return columns.merged(((row["model"], key), sums) for row in rows for key, sums in (columns.read_row(row),))


def _means_of(found: Mapping[tuple[str, Measured], HeadSums]) -> tuple[HeadMeans, ...]:
    return tuple(_means(model, key, found[model, key]) for model, key in sorted(found))


def _runs(connection: Connection, where: RunFilter, cell: Cell, limit: int) -> HeadRuns:
    total = _count(connection, filters.clauses(where))
    if total > MANY and limit > FEWER:
        part = replace(where, sample=PARTS * AMONG * FEWER // total + 1)
        found = drawn.among(R.id, drawn.draw(connection, part))  # first: who has measured heads is looked up of few
        if len(rows := _sample(connection, found, FEWER)) == FEWER:
            return _valued(connection, rows, cell, total)
    total = _count(connection, [*filters.clauses(where), MEASURED])
    return _valued(connection, _sample(connection, filters.clauses(where), limit), cell, total)


def _count(connection: Connection, clauses: Sequence[filters.Clause]) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(runs).where(*clauses)).scalar_one())


def _sample(connection: Connection, clauses: Sequence[filters.Clause], limit: int) -> list[Any]:
    query = sampled(sa.select(R.id, R.text, _pair()).where(*clauses, MEASURED), limit)
    return sorted(connection.execute(query).all(), key=lambda row: str(row[0]))


def _valued(connection: Connection, rows: Sequence[Any], cell: Cell, total: int) -> HeadRuns:
    place = {row[0]: index for index, row in enumerate(rows)}
    values: dict[Key, np.ndarray[Any, np.dtype[np.float64]]] = {}
    for run_id, key, value in _elements(connection, list(place), cell):
        if value is not None:
            values.setdefault(key, np.full(len(rows), np.nan))[place[run_id]] = np.float32(value)  # as stored
    texts, pairs = (tuple(str(row[i]) for row in rows) for i in (1, 2))
    return HeadRuns(tuple(str(row[0]) for row in rows), texts, pairs, values, total)


def _means(model: str, key: Measured, sums: HeadSums) -> HeadMeans:
    shape, n = (key.n_layers, key.n_heads), sums.counts
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, size = sums.totals / n, sums.sizes / n
        spread = np.maximum(sums.squares - sums.totals * mean, 0) / np.where(n > 1, n - 1, np.nan)
    least, largest = (item.astype(np.float64) for item in (sums.lows, sums.highs))
    mean, size, sd, least, largest = (item.reshape(shape) for item in (mean, size, np.sqrt(spread), least, largest))
    return HeadMeans(model, key.statistic, key.quantity, key.params, n.reshape(shape), mean, size, sd, least, largest)


def _pair() -> sa.ColumnElement[str]:
    """What is drawn as one: a prompt of a set, both sides of a pair."""
    side = sa.func.coalesce(sa.literal("pair ") + R.pair_id, sa.literal("key ") + R.prompt_key)
    return sa.func.coalesce(R.prompt_set, "") + sa.literal("\n") + side


def _elements(connection: Connection, ids: Sequence[UUID], cell: Cell) -> Iterator[tuple[Any, Key, float | None]]:
    """Run, what was measured, and this head's value: one element of each array, which the database picks. The runs are
    asked for by each table's own ids, one by one: so DuckDB reads no arrays of others."""
    yield from _attention(connection, ids, cell)
    yield from _scores(connection, ids, cell)
    layer, head = cell
    at = layer * P.n_heads + head + 1
    query = sa.select(P.run_id, P.method, A.quantity, A.params, P.scores[at]).select_from(
        attribution_heads.join(attributions, sa.and_(A.run_id == P.run_id, A.ordinal == P.ordinal))
    )
    asked = query.where(P.run_id.in_(ids), layer < P.n_layers, head < P.n_heads)
    for run_id, method, quantity, params, value in connection.execute(asked):
        yield run_id, (method, quantity, columns.written(params)), value


def _attention(connection: Connection, ids: Sequence[UUID], cell: Cell) -> Iterator[tuple[Any, Key, float | None]]:
    layer, head = cell
    at = layer * H.n_heads + head + 1
    query = sa.select(H.run_id, *(H[name][at].label(name) for name in HEAD_STATS))
    asked = query.where(H.run_id.in_(ids), layer < H.n_layers, head < H.n_heads)
    for run_id, *numbers in connection.execute(asked):
        for name, value in zip(HEAD_STATS, numbers, strict=True):
            yield run_id, (name, "", ""), value


def _scores(connection: Connection, ids: Sequence[UUID], cell: Cell) -> Iterator[tuple[Any, Key, float | None]]:
    """Axes as in `columns.scores`: the last two are layer and head (or component)."""
    over_heads = sa.and_(HasElement(A.axes, "layer"), sa.not_(HasElement(A.axes, "position")), A.error.is_(None))
    names = ("method", "quantity", "params", "axes", "shape", "scores", "error", "outcome")
    query, (layer, head) = sa.select(A.run_id, *(A[name] for name in names)), cell
    for row in connection.execute(query.where(A.run_id.in_(ids), over_heads)).mappings():
        for key, values in columns.scores(row):
            if layer < key.n_layers and head < key.n_heads:
                yield row["run_id"], (key.statistic, key.quantity, key.params), values[layer * key.n_heads + head]
