"""What is drawn, in shown units, with where each of its points leads; the page and its file say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from headscope.dashboard import links
from headscope.dashboard.figures import charts as figures
from headscope.dashboard.narrowing.columns import Column
from headscope.dashboard.pages.charts.query import ChartsQuery, name_of, up_to, within
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import RunFilter
from headscope.storage.rows.charts import ColumnPairs, Spread

SCALED = ("mean", "sd", "least", "q1", "median", "q3", "most", "low", "high")
BINNED = ("series", "from", "below", "runs")
STEPS = ("series", "value", "share_up_to", "runs")
BOXES = ("series", "runs", "unmeasured", *SCALED, "outside_whiskers")
Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure; hrefs: where its points lead, by their numbers, "" for nowhere; rows: the same numbers, for
    a file; left_out: measured runs that a logarithmic axis cannot have; sample: points drawn, of how many."""

    figure: go.Figure
    hrefs: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: int = 0
    sample: tuple[int, int] | None = None
    pairs: ColumnPairs | None = None


def spreads(store: RunReader, query: ChartsQuery, column: Column, where: RunFilter) -> tuple[Spread, ...]:
    """Quartiles and means of a column by series, in its shown unit."""
    found = store.column_spread(where, column.field, query.split)
    return tuple(replace(one, **{name: getattr(one, name) / column.per_unit for name in SCALED}) for one in found)


def draw(store: RunReader, query: ChartsQuery, where: RunFilter | None = None) -> Drawn:
    """The chart of the link, of all its runs or of those of `where`."""
    return DRAWERS[query.kind](store, query, query.where() if where is None else where)


def _histogram(store: RunReader, query: ChartsQuery, where: RunFilter) -> Drawn:
    column = query.column
    found = store.column_bins(where, column.field, query.split, unit=column.per_unit, log=query.logx)
    edges = found.edges / column.per_unit
    kept = [place for place, counts in enumerate(found.counts) if counts.any()]
    names = [name_of(found.splits[place]) for place in kept]
    figure = figures.histogram(edges, [found.counts[place] for place in kept], names, _axis(column, query.logx))
    bins = [(place, low, high, at) for place in kept
            for at, (low, high) in enumerate(pairwise(edges))]  # fmt: skip
    hrefs = tuple(query.runs(found.splits[place], within(column, low, high)) for place, low, high, _ in bins)
    rows = _rows(BINNED, ((name_of(found.splits[place]), float(low), float(high), int(found.counts[place, at]))
                          for place, low, high, at in bins))  # fmt: skip
    return Drawn(figure, hrefs, BINNED, rows, int(found.left_out.sum()))


def _ecdf(store: RunReader, query: ChartsQuery, where: RunFilter) -> Drawn:
    column = query.column
    steps = [one for one in store.column_steps(where, column.field, query.split) if one.n]
    curves = [figures.Curve(name_of(one.split), one.values / column.per_unit, one.shares, one.n) for one in steps]
    known = [(one.split, curve) for one, curve in zip(steps, curves, strict=True)]
    hrefs = tuple(query.runs(split, up_to(column, float(value))) for split, curve in known for value in curve.x)
    rows = _rows(STEPS, ((curve.name, float(value), float(share), curve.n)
                         for curve in curves for value, share in zip(curve.x, curve.shares, strict=True)))  # fmt: skip
    outside = sum(round(curve.n * float(curve.shares[curve.x <= 0].max(initial=0))) for curve in curves)
    figure = figures.cumulative(curves, _axis(column, query.logx))
    return Drawn(figure, hrefs, STEPS, rows, outside if query.logx else 0)


def _boxes(store: RunReader, query: ChartsQuery, where: RunFilter) -> Drawn:
    found = [one for one in spreads(store, query, query.column, where) if one.n]
    drawn = [figures.Box(name_of(one.split), one.low, one.q1, one.median, one.q3, one.high, one.mean, one.n)
             for one in found]  # fmt: skip
    hrefs = tuple(query.runs(one.split, f"{query.x}:not_null") for one in found)
    rows = _rows(BOXES, ((name_of(one.split), one.n, one.unmeasured, *(getattr(one, name) for name in SCALED),
                          one.outside) for one in found))  # fmt: skip
    figure = figures.boxes(drawn, _axis(query.column, query.logx))
    return Drawn(figure, hrefs, BOXES, rows, _not_above_zero(store, query, where) if query.logx else 0)


def _not_above_zero(store: RunReader, query: ChartsQuery, where: RunFilter) -> int:
    return int(store.column_bins(where, query.x, query.split, log=True).left_out.sum())


def _scatter(store: RunReader, query: ChartsQuery, where: RunFilter) -> Drawn:
    found = store.column_pairs(where, query.x, query.y, query.split)
    x, y = found.x / query.column.per_unit, found.y / query.against.per_unit
    shown = ((x > 0) | (not query.logx)) & ((y > 0) | (not query.logy))
    members = [np.flatnonzero(shown & (found.split == place)) for place in range(len(found.splits))]
    kept = [(split, rows) for split, rows in zip(found.splits, members, strict=True) if len(rows)]
    clouds = [figures.Cloud(name_of(split), x[rows], y[rows]) for split, rows in kept]
    numbered = [(name_of(split), row) for split, rows in kept for row in rows.tolist()]
    hrefs = tuple(links.run(found.run_ids[row]) for _, row in numbered)
    columns = (*dict.fromkeys(("series", "run_id", query.x, query.y)),)
    rows = tuple({"series": name, "run_id": found.run_ids[row], query.x: float(x[row]), query.y: float(y[row])}
                 for name, row in numbered)  # fmt: skip
    figure = figures.scatter(clouds, _axis(query.column, query.logx), _axis(query.against, query.logy))
    return Drawn(figure, hrefs, columns, rows, int((~shown).sum()), (len(found.run_ids), int(found.n.sum())), found)


def _rows(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> tuple[Row, ...]:
    return tuple(dict(zip(columns, row, strict=True)) for row in rows)


def _axis(column: Column, log: bool) -> figures.Axis:
    return figures.Axis(column.header, log)


DRAWERS: dict[str, Callable[[RunReader, ChartsQuery, RunFilter], Drawn]] = {
    "histogram": _histogram, "ecdf": _ecdf, "box": _boxes, "scatter": _scatter,
}  # fmt: skip


def measured(found: Sequence[Spread]) -> int:
    """Runs that have the column."""
    return sum(one.n for one in found)
