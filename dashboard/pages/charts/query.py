"""The state of the Charts page in its link, and where its parts lead."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headscope.dashboard import links
from headscope.dashboard.link_state import choice, encoded
from headscope.dashboard.narrowing.columns import BY_FIELD, Column
from headscope.dashboard.narrowing.conditions import RANGE
from headscope.dashboard.narrowing.query import FACETS, NarrowingQuery
from headscope.dashboard.pages import Page
from headscope.dashboard.words import plural
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, RunFilter
from headscope.storage.rows.charts import CHART_COLUMNS, WHOLE, Split
from headscope.storage.rows.filters import PARTS

PAGE = Page("charts", links.CHARTS, "Charts", "bar-chart-line", 12, shortcut="d")
BY = {"none": "", "model": "model", "prompt_set": "prompt_set", "experiment": "experiment", "status": "status",
      "group": "group_name", "tag": "tags"}  # fmt: skip
"""What the link calls it -> the store's column."""
FACET_OF = {facet.column: facet.key for facet in FACETS}
KINDS = ("histogram", "ecdf", "box", "scatter")
X, Y = "mean_surprisal", "next_entropy"
DRAWN, FEW = 8_000, 1_000
"""Of more runs than the store counts in time about `DRAWN`; where fewer than `FEW` of those are measured as many
more as have so many, or all."""
SPARE = 1.2
"""How many more than needed: a part has some more or fewer than its share."""


@dataclass(frozen=True, slots=True)
class ChartsQuery(NarrowingQuery):
    """kind: of chart. x: the column drawn; y: the one it is drawn against, for scatter. by: what is set apart. logx,
    logy: logarithmic axes."""

    kind: str = choice(*KINDS)
    x: str = choice(X, *(name for name in CHART_COLUMNS if name != X))
    y: str = choice(Y, *(name for name in CHART_COLUMNS if name != Y))
    by: str = choice("none", *(name for name in BY if name != "none"))
    logx: bool = False
    logy: bool = False

    def link(self, **changes: Any) -> str:
        """The page's link with some keys changed."""
        return links.view(PAGE.path, replace(self, **changes))

    @property
    def column(self) -> Column:
        """What is drawn along x."""
        return BY_FIELD[self.x]

    @property
    def against(self) -> Column:
        """What is drawn along y."""
        return BY_FIELD[self.y]

    @property
    def split(self) -> str:
        """The store's column for `by`."""
        return BY[self.by]

    def runs(self, split: Split | None = None, condition: str = "") -> str:
        """The Runs page with the runs behind a part of the chart: of a split, with a column filter (in a link's form)
        in the place of others of its column. "" where no link can ask for them."""
        found = self.narrowing()
        if split is not None and self.split:
            if split.others or (self.by == "tag" and self.tag):
                return ""
            if (facet := FACET_OF.get(self.split)) is not None:
                found[facet] = (split.value or "",)
            else:
                group = f"{self.split}:is_null" if split.value is None else f"{self.split}:eq:{split.value}"
                found["f"] = _instead(found["f"], group)
        if condition:
            found["f"] = _instead(found["f"], condition)
        parts = [(key, part) for key, given in found.items() for part in ((given,) if key == "q" else given)]
        return links.RUNS + encoded([(key, part) for key, part in parts if part or key in FACET_OF.values()])


def _instead(filters: tuple[str, ...], condition: str) -> tuple[str, ...]:
    """The grid has one filter for each column."""
    column = condition.partition(":")[0]
    return (*(one for one in filters if one.partition(":")[0] != column), condition)


def within(column: Column, low: float, high: float) -> str:
    """The column filter of a bin, in shown units; whole numbers have their edges between them."""
    if column.field in WHOLE:
        return f"{column.field}:between:{math.ceil(low)}{RANGE}{math.floor(high)}"
    return f"{column.field}:between:{low:.12g}{RANGE}{high:.12g}"


def up_to(column: Column, value: float) -> str:
    """The column filter of everything up to a value, that value too: a link's number may be a rounding less."""
    above = np.nextafter(np.nextafter(value, math.inf), math.inf)
    return f"{column.field}:le:{float(above)!r}"


def name_of(split: Split) -> str:
    """Of a series."""
    return plural(split.others, "other") if split.others else split.value or "(none)"


@dataclass(frozen=True, slots=True)
class Counted:
    """What the page counts: the runs of `where`, of `total` that match."""

    where: RunFilter
    total: int

    @property
    def whole(self) -> bool:
        """All runs that match."""
        return not self.where.sample

    @property
    def about(self) -> int:
        """Runs counted, as many as are expected of the part."""
        return self.total if self.whole else round(self.total * self.where.sample / PARTS)


def counted(store: RunReader, query: ChartsQuery) -> Counted:
    """All runs that match, or of more than the store counts while somebody waits a fixed random part."""
    where = query.where()
    total = store.count(where)
    few = total <= store.column_reach()
    return Counted(where if few else replace(where, sample=max(1, PARTS * DRAWN // total)), total)


def enough(store: RunReader, query: ChartsQuery, of: Counted, column: str, measured: int) -> Counted:
    """`of` where `measured` of its runs, which have the column, are `FEW`, or no run that matches has it; else as many
    more as have so many, all where that is more than the store counts in time."""
    if of.whole or measured >= FEW:
        return of
    where = query.where()
    having = store.count(replace(where, conditions=(*where.conditions, Condition(column, "not_null"))))
    if not having:
        return of
    more = replace(of, where=replace(where, sample=min(PARTS, math.ceil(PARTS * SPARE * FEW / having))))
    return more if more.where.sample < PARTS and more.about <= store.column_reach() else replace(of, where=where)
