"""Reading what was measured of heads: sums that the writer keeps, and one head run by run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.statistics.intervals import moments
from headscope.storage import session
from headscope.storage.columns import head_sums as columns
from headscope.storage.columns.head_sums import HeadSums, Measured
from headscope.storage.read import counts, drawn, filters, head_arrays, head_cells, spans
from headscope.storage.read.behaviour import sampled
from headscope.storage.read.head_cells import Cell, Element, Key
from headscope.storage.read.spans import Span
from headscope.storage.rows import Condition, HeadMeans, HeadRuns, HeadStats, RunFilter
from headscope.storage.schema import (
    attributions,
    experiments,
    head_summaries,
    head_sums,
    head_values,
    models,
    prompt_sets,
    runs,
)

R = runs.c
SUMMED_BY = {"experiment": experiments.c.name, "model": models.c.name, "prompt_set": prompt_sets.c.name}
MOST = 1_000
"""Runs whose arrays are read where no sums are kept: less than a second for 144 heads, in proportion for more."""
MANY, ENOUGH = 100_000, 500
"""Of more runs than `MANY` those in `head_values` are looked at one by one, if they are `ENOUGH`: the arrays of others
lie far apart."""


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
    clauses = filters.clauses(where)
    if (total := _count(connection, clauses)) <= MANY:  # of more, all count as measured: to look takes a second
        total = _count(connection, [*clauses, MEASURED])
    newest = spans.span(connection, replace(where, newest=most), _measured)
    chosen = drawn.written(connection.execute(sa.select(R.id).where(*newest.clauses)).scalars())
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
    clauses = filters.clauses(where)
    total = _count(connection, clauses)
    if total > MANY:
        kept = R.id.in_(sa.select(head_values.c.run_id))
        if len(rows := _sample(connection, [*clauses, kept], limit)) >= min(ENOUGH, limit):
            return _valued(rows, head_cells.kept(connection, [row[0] for row in rows], cell), total)
    wanted = [*clauses, MEASURED]
    rows = _sample(connection, wanted, limit)
    return _valued(rows, head_cells.measured(connection, [row[0] for row in rows], cell), _count(connection, wanted))


def _count(connection: Connection, clauses: Sequence[filters.Clause]) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(runs).where(*clauses)).scalar_one())


def _sample(connection: Connection, clauses: Sequence[filters.Clause], limit: int) -> list[Any]:
    query = sampled(sa.select(R.id, R.text, _pair()).where(*clauses), limit)
    return sorted(connection.execute(query).all(), key=lambda row: str(row[0]))


def _valued(rows: Sequence[Any], elements: Iterable[Element], total: int) -> HeadRuns:
    place = {row[0]: index for index, row in enumerate(rows)}
    values: dict[Key, np.ndarray[Any, np.dtype[np.float64]]] = {}
    for run_id, key, value in elements:
        if value is not None:
            values.setdefault(key, np.full(len(rows), np.nan))[place[run_id]] = np.float32(value)  # as stored
    texts, pairs = (tuple(str(row[i]) for row in rows) for i in (1, 2))
    return HeadRuns(tuple(str(row[0]) for row in rows), texts, pairs, values, total)


def _means(model: str, key: Measured, sums: HeadSums) -> HeadMeans:
    shape, n = (key.n_layers, key.n_heads), sums.counts
    mean, spread, skewness = moments(n, sums.totals, sums.squares, sums.cubes)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (mean, sums.sizes / n, spread, skewness, sums.lows, sums.highs)
    numbers = (item.astype(np.float64).reshape(shape) for item in found)
    return HeadMeans(model, key.statistic, key.quantity, key.params, n.reshape(shape), *numbers)


def _pair() -> sa.ColumnElement[str]:
    """What is drawn as one: a prompt of a set, both sides of a pair."""
    side = sa.func.coalesce(sa.literal("pair ") + R.pair_id, sa.literal("key ") + R.prompt_key)
    return sa.func.coalesce(R.prompt_set, "") + sa.literal("\n") + side
