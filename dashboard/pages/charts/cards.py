"""The chart, its numbers below it, and the states in which there is none."""

from __future__ import annotations

from dash import dcc

from headscope.dashboard import links
from headscope.dashboard.cards import PICTURES, Children, Download, download_menu, guarded
from headscope.dashboard.narrowing.columns import Column
from headscope.dashboard.narrowing.no_runs import no_runs
from headscope.dashboard.pages.charts.drawn import Drawn, draw, measured, spreads
from headscope.dashboard.pages.charts.query import PAGE, ChartsQuery, Counted, counted, enough
from headscope.dashboard.pages.charts.view import (
    METHOD,
    RELATED,
    Ids,
    left_out,
    nothing_above_zero,
    numbers_table,
    one_value,
    relation_table,
    unmeasured,
)
from headscope.dashboard.parts import graph, note, sampled_note, warning
from headscope.dashboard.scoped.bar import changed
from headscope.dashboard.services import Services
from headscope.dashboard.status import first_command


@guarded("draw the chart")
def chart(services: Services, query: ChartsQuery) -> Children:
    """The card's body: at most a dozen queries to the store, of a part of the runs where they are very many."""
    columns = [query.column] + ([query.against] if query.kind == "scatter" else [])
    of = counted(services.store, query)
    found = [spreads(services.store, query, column, of.where) for column in columns]
    least = min(range(len(columns)), key=lambda at: measured(found[at]))
    more = enough(services.store, query, of, columns[least].field, measured(found[least]))
    if more != of:
        of, found = more, [spreads(services.store, query, column, more.where) for column in columns]
    if not of.total:
        return no_runs(PAGE.path, query, first_command(services.store.url))
    tables = [numbers_table(rows, column, query) for rows, column in zip(found, columns, strict=True)]
    part = _part(of)
    missing = [column for column, rows in zip(columns, found, strict=True) if not measured(rows)]
    if missing:
        return [*part, unmeasured(missing, of.total, query), *tables]
    logs = (query.logx, query.logy)
    below = [column for column, rows, log in zip(columns, found, logs, strict=False)
             if log and max(one.most for one in rows if one.n) <= 0]  # fmt: skip
    if below:
        return [*part, nothing_above_zero(below, query), *tables]
    drawn = draw(services.store, query, of.where)
    if not drawn.hrefs and not drawn.left_out:
        return [*part, unmeasured(columns, of.total, query), *tables]
    low, high = min(one.least for one in found[0] if one.n), max(one.most for one in found[0] if one.n)
    if low == high and query.kind != "scatter":
        return [*part, one_value(query.column, low, measured(found[0])), *tables, note(METHOD)]
    said = map(warning, changed(services.store.model_settings(query.where())))
    return [*said, *part, *_figure(drawn, query.column), *_relation(drawn, query), *tables, note(METHOD)]


def _part(of: Counted) -> list[Children]:
    """Said where not all runs are counted."""
    if of.whole:
        return []
    return [warning(f"A fixed random sample: about {of.about:,} of {of.total:,} runs are counted here; the CSV file "
                    "and the runs behind a link are all of them.")]  # fmt: skip


def _figure(drawn: Drawn, column: Column) -> list[Children]:
    said = sampled_note(*drawn.sample) if drawn.sample else []
    clicks = "A click on the chart leads to the runs behind it." if not drawn.sample else "A click leads to the run."
    hint = f" {column.hint}" if column.hint else ""
    return [
        *said,
        *left_out(drawn.left_out),
        graph(drawn.figure, id=Ids.GRAPH),
        dcc.Store(id=Ids.HREFS, data=list(drawn.hrefs)),
        note(f"{clicks}{hint}"),
    ]


def _relation(drawn: Drawn, query: ChartsQuery) -> list[Children]:
    return [relation_table(drawn.pairs, query), note(RELATED)] if drawn.pairs else []


def downloads(query: ChartsQuery) -> Children:
    """What is drawn, as numbers and as a picture."""
    return download_menu([Download("CSV", links.charts_file(query)), *PICTURES], Ids.CARD)
