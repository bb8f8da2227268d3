"""Columns of runs for charts: histograms, cumulative shares and quantiles worked out by the database over all runs.

What is no finite number is unmeasured. Of values to set runs apart by, the `MOST` with most runs are kept apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.errors import UnknownNameError
from headscope.storage import session
from headscope.storage.read import counts, drawn, filters
from headscope.storage.read.behaviour import sampled
from headscope.storage.rows import RunFilter
from headscope.storage.rows.charts import (
    CHART_COLUMNS,
    CHART_SPLITS,
    WHOLE,
    Bins,
    ColumnPairs,
    Split,
    Spread,
    Steps,
)
from headscope.storage.schema import runs

R = runs.c
Where = Sequence[filters.Clause]
MOST = 6
"""Series that can still be told apart."""
BINS, STEPS = 30, 200
LARGEST = 1.7976931348623157e308
WHISKER = 1.5
REACH = {"duckdb": 5_000_000, "postgresql": 100_000}
"""Runs that a database that stores by columns, or by rows, counts in less than a second."""


class ChartReader:
    """The part of `headscope.storage.interfaces.RunReader` about columns of runs."""

    engine: Engine
    _samples: counts.Counts

    def column_reach(self) -> int:
        """See `RunReader.column_reach`."""
        return REACH[self.engine.dialect.name]

    def column_spread(self, where: RunFilter, column: str, by: str = "") -> tuple[Spread, ...]:
        """See `RunReader.column_spread`."""
        _known((column,), by)
        with session.reading(self.engine) as connection:
            key, version = ("spread", repr(where), column, by), counts.version(connection)
            of = self._found(connection, version, where)
            return self._samples.get(key, version, lambda: _spread(connection, of(), column, by))

    def column_bins(self, where: RunFilter, column: str, by: str = "", *, unit: float = 1.0, log: bool = False) -> Bins:
        """See `RunReader.column_bins`."""
        _known((column,), by)
        with session.reading(self.engine) as connection:
            key, version = ("bins", repr(where), column, by, unit, log), counts.version(connection)
            of = self._found(connection, version, where)
            return self._samples.get(key, version, lambda: _bins(connection, of(), column, by, unit, log))

    def column_steps(self, where: RunFilter, column: str, by: str = "") -> tuple[Steps, ...]:
        """See `RunReader.column_steps`."""
        _known((column,), by)
        with session.reading(self.engine) as connection:
            key, version = ("steps", repr(where), column, by), counts.version(connection)
            of = self._found(connection, version, where)
            return self._samples.get(key, version, lambda: _steps(connection, of(), column, by))

    def column_pairs(self, where: RunFilter, x: str, y: str, by: str = "", limit: int = 5_000) -> ColumnPairs:
        """See `RunReader.column_pairs`."""
        _known((x, y), by)
        with session.reading(self.engine) as connection:
            key = ("columns", repr(where), x, y, by, limit)
            version = counts.version(connection)
            of = self._found(connection, version, where)
            return self._samples.get(key, version, lambda: _pairs(connection, of(), (x, y), by, limit))

    def _found(self, connection: Connection, version: int, where: RunFilter) -> Callable[[], Where]:
        return lambda: drawn.clauses(connection, self._samples, version, where)


def _known(columns: Sequence[str], by: str) -> None:
    for column in columns:
        if column not in CHART_COLUMNS:
            raise UnknownNameError("column", column, CHART_COLUMNS)
    if by not in CHART_SPLITS:
        raise UnknownNameError("split", by, CHART_SPLITS)


def finite(column: str) -> sa.ColumnElement[Any]:
    """The number, NULL for what is none: both databases take NaN for larger than all others."""
    value: sa.ColumnElement[Any] = sa.cast(R[column], sa.Double())
    return sa.case((value.between(-LARGEST, LARGEST), value))


def _key(by: str) -> sa.ColumnElement[Any]:
    if not by:
        return sa.cast(sa.null(), sa.String)
    if by != "tags":
        return R[by]
    none = sa.cast(sa.literal_column("ARRAY[NULL]"), R.tags.type)
    empty = sa.func.coalesce(sa.func.array_length(R.tags, 1), 0) == 0
    return sa.func.unnest(sa.case((empty, none), else_=R.tags), type_=sa.String())


def _source(
    connection: Connection, where: Where, columns: Sequence[str], by: str, *sums: Callable[[Any], Any]
) -> tuple[tuple[Split, ...], sa.CTE, list[tuple[Any, ...]]]:
    """The splits; rows of id, place (an index into them) and the columns, named x and y; and place, number of rows
    and `sums` of every value that runs are set apart by, which are had with the splits in one pass over the runs."""
    values = [finite(column).label(name) for column, name in zip(columns, "xy", strict=False)]
    base = sa.select(R.id.label("id"), _key(by).label("split"), *values).where(*where).cte("base")
    made = [of(base.c) for of in sums]
    counted = sa.select(base.c.split, sa.func.count(), *made).group_by(base.c.split)
    ranked = sorted(connection.execute(counted), key=lambda row: (-row[1], row[0] is None, row[0] or ""))
    kept = [value for value, *_ in (ranked if len(ranked) <= MOST else ranked[: MOST - 1])]
    splits = [Split(value) for value in kept]
    if rest := len(ranked) - len(kept):
        splits.append(Split(None, rest))
    whens = [(base.c.split.is_(None) if value is None else base.c.split == value, place)
             for place, value in enumerate(kept)]  # fmt: skip
    place = sa.case(*whens, else_=len(kept)) if whens else sa.literal(0)
    shown = [base.c[name] for name, _ in zip("xy", columns, strict=False)]
    summed = [(min(index, len(kept)), *row[1:]) for index, row in enumerate(ranked)]
    return tuple(splits), sa.select(base.c.id, place.label("place"), *shown).cte("source"), summed


def _spread(connection: Connection, where: Where, column: str, by: str) -> tuple[Spread, ...]:
    splits, source, _ = _source(connection, where, (column,), by)
    x, count = source.c.x, sa.func.count
    quantiles = [sa.func.percentile_cont(share).within_group(x).label(name)
                 for share, name in ((0.25, "q1"), (0.5, "median"), (0.75, "q3"))]  # fmt: skip
    unmeasured = (count() - count(x)).label("unmeasured")
    numbers = [count(x).label("n"), unmeasured, sa.func.avg(x).label("mean"), sa.func.stddev_samp(x).label("sd"),
               sa.func.min(x).label("least"), sa.func.max(x).label("most")]  # fmt: skip
    whole = sa.select(source.c.place, *numbers, *quantiles).group_by(source.c.place).cte("whole")
    reach = WHISKER * (whole.c.q3 - whole.c.q1)
    inside = x.between(whole.c.q1 - reach, whole.c.q3 + reach)
    ends = [sa.func.min(sa.case((inside, x))).label("low"), sa.func.max(sa.case((inside, x))).label("high"),
            count(sa.case((sa.not_(inside), 1))).label("outside"), _skewness(x, whole.c).label("skewness")]  # fmt: skip
    query = (
        sa.select(*whole.c, *ends).join_from(whole, source, source.c.place == whole.c.place).group_by(*whole.c)
    ).order_by(whole.c.place)
    found = []
    for row in connection.execute(query).mappings():
        values: dict[str, Any] = {name: math.nan if value is None else value for name, value in row.items()}
        found.append(Spread(splits[values.pop("place")], **values))
    return tuple(found)


def _skewness(x: sa.ColumnElement[float], whole: Any) -> sa.ColumnElement[float]:
    """m3 / m2^1.5; `whole` has the mean and the deviation of the sample, which divides by n - 1."""
    apart = (x - whole.mean) / sa.func.nullif(whole.sd, 0.0)
    return sa.func.avg(apart * apart * apart) * sa.func.power(whole.n / sa.func.nullif(whole.n - 1.0, 0.0), 1.5)


def edges_of(low: float, high: float, *, whole: bool, log: bool) -> NDArray[np.float64]:
    """Round numbers from `low` or less to `high` or more, at most `BINS` and two: of equal distance, or with `log` of
    about equal ratio. Those of whole numbers lie between them."""
    if log:
        apart = np.geomspace(low, max(high, low * 1.02), BINS + 1)
        digits = 10.0 ** (np.floor(np.log10(apart)) - 2)
        ends = np.floor(apart[:1] / digits[:1]), np.ceil(apart[-1:] / digits[-1:])
        rounded = np.unique(np.concatenate([ends[0], np.round(apart[1:-1] / digits[1:-1]), ends[1]]) * digits)
        return np.unique(np.floor(np.append(rounded, high + 1))) - 0.5 if whole else _decimal(rounded)
    if whole:
        width = max(1, -(-int(high - low + 1) // BINS))
        return np.arange(low - 0.5, high + 0.5 + width, width)
    if high <= low:
        return np.array([low, low + (abs(low) or 1.0)])
    tenth = 10.0 ** math.floor(math.log10((high - low) / BINS))
    step = next(tenth * times for times in (1, 2, 5, 10, 20) if tenth * times * BINS >= high - low)
    return _decimal(np.arange(math.floor(low / step), math.ceil(high / step) + 1, dtype=np.float64) * step)


def _decimal(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """As they are written: 140 times .001 is a little more than .14, which would lie outside then."""
    return np.array([float(f"{edge:.12g}") for edge in edges])


def _bins(connection: Connection, where: Where, column: str, by: str, unit: float, log: bool) -> Bins:
    def of(x: Any) -> Any:
        return sa.case((x > 0, x)) if log else x

    splits, source, found_of = _source(
        connection, where, (column,), by, lambda c: sa.func.min(of(c.x)), lambda c: sa.func.max(of(c.x)),
        lambda c: sa.func.count(c.x) - sa.func.count(of(c.x)),
    )  # fmt: skip
    x = source.c.x
    left_out = np.zeros(len(splits), np.int64)
    for place, *_, n in found_of:
        left_out[place] += n
    ends = [row[2:4] for row in found_of if row[2] is not None]
    if not ends:
        return Bins(splits, np.empty(0), np.zeros((len(splits), 0), np.int64), left_out)
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    edges = edges_of(low / unit, high / unit, whole=column in WHOLE, log=log) * unit
    # counted edge by edge: any formula would round some value over the edge it stands on
    at: sa.ColumnElement[Any] = sa.literal(0)
    for edge in edges[1:-1].tolist():
        at = at + sa.case((x >= sa.literal(edge, sa.Double()), 1), else_=0)
    rows = sa.select(source.c.place, at.label("bin")).where(of(x).is_not(None)).subquery()
    found = np.zeros((len(splits), len(edges) - 1), np.int64)
    counted = sa.select(rows.c.place, rows.c.bin, sa.func.count()).group_by(rows.c.place, rows.c.bin)
    for place, index, n in connection.execute(counted):
        found[place, index] = n
    return Bins(splits, edges, found, left_out)


def _steps(connection: Connection, where: Where, column: str, by: str) -> tuple[Steps, ...]:
    splits, source, _ = _source(connection, where, (column,), by)
    place, x = source.c.place, source.c.x
    share = sa.func.cume_dist().over(partition_by=place, order_by=x)
    ranked = sa.select(place, x, share.label("share")).where(x.is_not(None)).subquery()
    # equal values have one share and so are in one step: what a step says of its largest value is exact
    step = sa.func.ceil(ranked.c.share * STEPS)
    query = (
        sa.select(ranked.c.place, sa.func.min(ranked.c.x), sa.func.max(ranked.c.x), sa.func.max(ranked.c.share),
                  sa.func.count())
        .group_by(ranked.c.place, step)
        .order_by(ranked.c.place, step)
    )  # fmt: skip
    rows = connection.execute(query).all()
    return tuple(_stepped(split, [row for row in rows if row[0] == at]) for at, split in enumerate(splits))


def _stepped(split: Split, rows: Sequence[Any]) -> Steps:
    n = sum(row[4] for row in rows)
    values, shares = [row[2] for row in rows], [row[3] for row in rows]
    if rows:
        values, shares = [rows[0][1], *values], [0.0, *shares]
    return Steps(split, n, np.array(values, np.float64), np.array(shares, np.float64))


def _pairs(connection: Connection, where: Where, columns: tuple[str, str], by: str, limit: int) -> ColumnPairs:
    def both(of: Any) -> filters.Clause:
        return sa.and_(of.x.is_not(None), of.y.is_not(None))

    splits, source, found_of = _source(
        connection, where, columns, by, lambda c: sa.func.count(sa.case((both(c), 1)))
    )  # fmt: skip
    n, unmeasured = np.zeros(len(splits), np.int64), np.zeros(len(splits), np.int64)
    for place, total, measured in found_of:
        n[place] += measured
        unmeasured[place] += total - measured
    query = sa.select(source.c.id, source.c.place, source.c.x, source.c.y).where(both(source.c))
    rows = list(zip(*connection.execute(sampled(query, limit, source.c.id)), strict=True)) or [()] * 4
    ids = tuple(map(str, rows[0]))
    x, y = (np.array(column, np.float64) for column in rows[2:])
    return ColumnPairs(splits, ids, np.array(rows[1], np.int64), x, y, n, unmeasured)
