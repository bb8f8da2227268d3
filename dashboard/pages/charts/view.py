"""The parts of the Charts page: what is chosen, the tables, and what stands where there is no chart."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.statistics.correlation import Correlation, pearson, spearman
from headscope.analysis.statistics.intervals import of_moments
from headscope.dashboard.cards import Children, empty_box, extra, icon
from headscope.dashboard.narrowing.columns import BY_FIELD, Column
from headscope.dashboard.numbers import interval, plain, significant
from headscope.dashboard.pages.charts.query import BY, KINDS, ChartsQuery, name_of
from headscope.dashboard.parts import Entry, menu, note, stay, switch
from headscope.dashboard.tables import table
from headscope.dashboard.words import plural
from headscope.storage.rows.charts import CHART_COLUMNS, ColumnPairs, Split, Spread

KIND_NAMES = dict(zip(KINDS, ("Histogram", "ECDF", "Box", "Scatter"), strict=True))
BY_NAMES = {"none": "nothing", "prompt_set": "prompt set"}
METHOD = (
    "Quartiles and means are of the measured runs, worked out by the database; of the mean the 95 % interval from "
    "n, standard deviation and skewness (at either end the further one of Student's and Hall's), which takes runs for "
    "independent of each other: runs of one prompt on several models, or of a pair, are not."
)
RELATED = (
    "Pearson: how near the points are to a straight line, with Fisher's 95 % interval. Spearman: how far one orders "
    "the runs as the other does, with the 95 % interval of Bonett and Wright (2000). Both are of the runs drawn and "
    "take them for independent. Neither says that one column moves the other."
)


class Ids(StrEnum):
    """Ids of the Charts page. `HREFS`: where the points of the figure lead, by their numbers."""

    BAR = "charts-bar"
    CHIPS = "charts-chips"
    NOTES = "charts-notes"
    CARD = "charts-card"
    GRAPH = "charts-graph"
    HREFS = "charts-hrefs"


def label(field: str) -> str:
    """A column's name."""
    return BY_FIELD[field].label


def bar(query: ChartsQuery) -> Children:
    """Which chart, of what, set apart by what: all links."""
    scatter = query.kind == "scatter"
    parts: list[Children] = [
        switch("kind", query, tuple(KIND_NAMES.items()), "Kind of chart"),
        menu("x" if scatter else "Column", label(query.x), [(label(x), query.link(x=x), None) for x in CHART_COLUMNS]),
    ]
    if scatter:
        parts.append(menu("y", label(query.y), [(label(y), query.link(y=y), None) for y in CHART_COLUMNS]))
    apart: list[Entry] = [(BY_NAMES.get(by, by), query.link(by=by), None) for by in BY]
    parts.append(menu("By", BY_NAMES.get(query.by, query.by), apart))
    parts.append(toggle("Log x" if scatter else "Log axis", query.link(logx=not query.logx), on=query.logx))
    if scatter:
        parts.append(toggle("Log y", query.link(logy=not query.logy), on=query.logy))
    parts.append(dcc.Link("Show the runs", href=query.runs(), className="hs-scope-runs"))
    return parts


def toggle(text: str, address: str, *, on: bool) -> html.A:
    """A link that switches something on or off; a sign says which."""
    sign = icon("check-square-fill" if on else "square")
    said = html.Span("on" if on else "off", className="visually-hidden")
    return stay([sign, text, said], address, "hs-button hs-button-quiet")


def numbers_table(found: Sequence[Spread], column: Column, query: ChartsQuery) -> Component:
    """Each series: how many have the column, quartiles, mean."""
    unit = f", {column.unit}" if column.unit else ""
    head = ("Series", f"{column.label}: runs>", "Unmeasured>", f"Median{unit}>", f"Quartiles{unit}>", f"Mean{unit}>")
    return table(head, [html.Tr(_cells(one, query)) for one in found])


def _cells(one: Spread, query: ChartsQuery) -> list[html.Td]:
    low, high = (float(end) for end in of_moments(*map(np.array, (one.n, one.mean, one.sd, one.skewness))))
    ends = f" [{significant(low)}, {significant(high)}]" if low == low else ""  # noqa: PLR0124 - NaN is not itself
    quartiles = f"{significant(one.q1)} to {significant(one.q3)}" if one.n else significant(one.q1)
    return [
        series_cell(one.split, query),
        html.Td(f"{one.n:,}", className="num"),
        html.Td(f"{one.unmeasured:,}", className="num"),
        html.Td(html.B(significant(one.median)), className="num"),
        html.Td(quartiles, className="num"),
        html.Td([significant(one.mean), html.Small(ends)], className="num"),
    ]


def series_cell(split: Split, query: ChartsQuery) -> html.Td:
    """Its name, leading to its runs where a link can."""
    name, address = name_of(split) if query.split else "all runs", query.runs(split)
    return html.Td(dcc.Link(name, href=address) if address else name)


def relation_table(pairs: ColumnPairs, query: ChartsQuery) -> Component:
    """Each series: how far its two columns go together."""
    rows = []
    for place, split in enumerate(pairs.splits):
        mine = pairs.split == place
        found = [of(pairs.x[mine], pairs.y[mine]) for of in (pearson, spearman)]
        counts = (f"{found[0].n:,} of {pairs.n[place]:,}", f"{pairs.unmeasured[place]:,}")
        cells = [html.Td(text, className="num") for text in counts]
        rows.append(html.Tr([series_cell(split, query), *cells, *map(_correlation, found)]))
    return table(("Series", "Drawn, of runs with both>", "Without one of them>", "Pearson>", "Spearman>"), rows)


def _correlation(found: Correlation) -> html.Td:
    ends = html.Small(f" {interval(found.low, found.high)}")
    return html.Td([html.B(plain(found.value)), ends], className="num")


def unmeasured(columns: Sequence[Column], total: int, query: ChartsQuery) -> Component:
    """Runs, but none of them has what would be drawn."""
    names = " and ".join(f"“{column.label}”" for column in columns)
    both = "both " if len(columns) > 1 else ""
    return empty_box(
        "Nothing measured",
        html.P(f"{plural(total, 'run')} here, and none has {both}{names}: unmeasured is not 0, so nothing is drawn."),
        dcc.Link("Show the runs", href=query.runs(), className="hs-button"),
        icon_name="slash-circle",
    )


def nothing_above_zero(columns: Sequence[Column], query: ChartsQuery) -> Component:
    """Measured, but a logarithmic axis has no place for any of it."""
    names = " or ".join(f"“{column.label}”" for column in columns)
    return empty_box(
        "Nothing is above 0",
        html.P(f"A logarithmic axis begins above 0, and no value of {names} does."),
        stay("Linear axes", query.link(logx=False, logy=False), "hs-button"),
        icon_name="slash-circle",
    )


def one_value(column: Column, value: float, n: int) -> Component:
    """All the same: a chart would be one bar."""
    unit = f" {column.unit}" if column.unit else ""
    text = f"All {plural(n, 'measured run')} have the same {column.label}: {significant(value)}{unit}."
    return html.P([icon("dash-circle"), " ", text], className="hs-said", **extra(data_one_value=""))


def left_out(count: int) -> list[Component]:
    """Said of what a logarithmic axis has no place for."""
    if not count:
        return []
    verb = "is" if count == 1 else "are"
    return [note(f"{plural(count, 'measured run')} with a value that is not above 0 {verb} on no logarithmic axis.")]
