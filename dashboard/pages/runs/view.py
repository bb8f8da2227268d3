"""The parts of the Runs page: grid, facets, chips, toolbar, and what stands in the grid's place when it is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_ag_grid as dag
from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.types import RunStatus
from headscope.dashboard import links
from headscope.dashboard.cards import STATUS_ICONS, Children, extra, icon
from headscope.dashboard.links import MOST_COMPARED
from headscope.dashboard.narrowing.columns import COLUMNS, DATE, Column
from headscope.dashboard.narrowing.query import FACETS, Facet
from headscope.dashboard.pages.runs.query import RunsQuery
from headscope.dashboard.words import plural
from headscope.storage.rows import FacetCount

SHOWN_VALUES = 8
OVER_RUNS = (
    ("Methods", "rulers", links.METHODS),
    ("Heads", "diagram-3", links.HEADS),
    ("Confidence", "speedometer2", links.CONFIDENCE),
)
"""Pages over an experiment or any selection: name, icon, address."""
EVERYTHING = RunsQuery(status=(RunStatus.SUCCEEDED,)).to_query()
"""For those, which ask for an experiment where nothing is narrowed."""
WIDEST = 240  # px a column takes by itself: a model's name, not a folder's
FORMATS = (("csv", "CSV"), ("json", "JSON"), ("parquet", "Parquet"))
RENDERERS = {
    "status": "HsStatus",
    "text": "HsPrompt",
    "continuation": "HsContinuation",
    "created_at": "HsWhen",
    **dict.fromkeys(("next_token", "target", "foil"), "HsToken"),
}
FILTERS = {"text": "agTextColumnFilter", "number": "agNumberColumnFilter", "integer": "agNumberColumnFilter",
           "date": "agDateColumnFilter"}  # fmt: skip
THEME = """themeQuartz.withParams({
  accentColor: 'var(--hs-accent)', backgroundColor: 'var(--hs-surface)', foregroundColor: 'var(--hs-ink)',
  textColor: 'var(--hs-ink-2)', borderColor: 'var(--hs-line)', chromeBackgroundColor: 'var(--hs-surface)',
  headerTextColor: 'var(--hs-ink-3)', headerFontWeight: 550, headerFontSize: 12, rowHoverColor: 'var(--hs-hover)',
  selectedRowBackgroundColor: 'var(--hs-accent-soft)', fontFamily: 'inherit', fontSize: 13, rowHeight: 36,
  headerHeight: 38, wrapperBorder: false, wrapperBorderRadius: 0, columnBorder: false, browserColorScheme: 'inherit',
  cellHorizontalPadding: 12, iconSize: 13, menuBackgroundColor: 'var(--hs-surface)',
  inputBackgroundColor: 'var(--hs-surface)', inputBorder: '1px solid var(--hs-line-strong)', checkboxBorderWidth: 1,
  dataBackgroundColor: 'transparent', popupShadow: 'var(--hs-shadow-high)'})"""


def grid(id_: str, query: RunsQuery, page_size: int) -> dag.AgGrid:
    """The grid over the whole table: rows arrive in blocks, sorted, filtered and counted by the store."""
    state = query.grid_state()
    initial: dict[str, Any] = {"partialColumnState": True}
    if state["filterModel"]:
        initial["filter"] = {"filterModel": state["filterModel"]}
    if state["sortModel"]:
        initial["sort"] = {"sortModel": state["sortModel"]}
    return dag.AgGrid(
        id=id_,
        className="hs-runs-grid",
        columnDefs=[column_definition(column) for column in COLUMNS],
        defaultColDef={
            "sortable": True,
            "resizable": True,
            "suppressHeaderMenuButton": False,
            "wrapHeaderText": True,
            "autoHeaderHeight": True,
        },
        rowModelType="infinite",
        getRowId="params.data.id",
        dashGridOptions={
            "theme": {"function": THEME},
            "cacheBlockSize": page_size,
            "maxBlocksInCache": 30,
            "infiniteInitialRowCount": 30,
            "maxConcurrentDatasourceRequests": 1,
            "blockLoadDebounceMillis": 60,
            "rowSelection": {"mode": "multiRow", "headerCheckbox": False, "enableClickSelection": False},
            "rowClassRules": {"hs-row-waiting": "!params.data"},  # it has nothing to tick yet: see pages.css
            "selectionColumnDef": {"width": 42, "pinned": "left", "resizable": False, "sortable": False},
            "animateRows": False,
            "initialState": initial,
            "suppressCellFocus": False,
            "tooltipShowDelay": 400,
            "suppressNoRowsOverlay": True,
            "suppressMultiSort": False,
        },
        dangerously_allow_code=False,
    )


def column_definition(column: Column) -> dict[str, Any]:
    """AG Grid's definition of one column."""
    definition: dict[str, Any] = {
        "field": column.field,
        "headerName": column.header.replace(", ", ",\n"),  # a unit has a line of its own in every column: see pages.css
        "headerTooltip": column.hint or column.header,
        "filter": FILTERS[column.kind],
        "filterParams": {"maxNumConditions": 1, "buttons": ["reset"], "debounceMs": 350} | _date_params(column),
        "hide": column.hidden,
    }
    if column.width:
        definition |= {"width": column.width, "minWidth": _narrowest(column), "maxWidth": WIDEST}
    else:
        definition |= {"flex": 1, "minWidth": 200}
    if column.is_numeric:
        definition |= {
            "type": "rightAligned",
            "cellClass": ["hs-num", "ag-right-aligned-cell"],
            "valueFormatter": {"function": f"hsNumber(params.value, {column.decimals})"},
        }
    if column.field == "text":
        definition["colSpan"] = {"function": "hsFailedSpan(params)"}
    if column.field in RENDERERS:
        definition["cellRenderer"] = RENDERERS[column.field]
    return definition


def _narrowest(column: Column) -> int:
    """px of the longest word of its header, which wraps, with its padding."""
    return 44 + 7 * max(map(len, column.header.split()))


def _date_params(column: Column) -> dict[str, Any]:
    options = ["equals", "lessThan", "greaterThan", "inRange"]
    return {"filterOptions": options} if column.kind == DATE else {}


def facets(counts: Mapping[str, Sequence[FacetCount]], query: RunsQuery) -> Children:
    """One block per facet that has something to choose; each value is a link that adds or removes it."""
    blocks = [facet_block(facet, counts.get(facet.column, ()), query) for facet in FACETS]
    return [block for block in blocks if block is not None]


def facet_block(facet: Facet, counts: Sequence[FacetCount], query: RunsQuery) -> Component | None:
    """Values with their counts under the other conditions; chosen ones stay even when nothing is left of them."""
    chosen: tuple[str, ...] = getattr(query, facet.key)
    values = {count.value or "": count.count for count in counts}
    values |= {value: 0 for value in chosen if value not in values}
    if facet.key == "error_kind" and not chosen:
        values.pop("", None)
    if not values or (set(values) == {""} and not chosen):
        return None
    rows = [facet_value(facet, value, count, query) for value, count in values.items()]
    more = [html.Details([html.Summary(f"{len(rows) - SHOWN_VALUES} more"), html.Ul(rows[SHOWN_VALUES:])],
                         className="hs-facet-more")] if len(rows) > SHOWN_VALUES else []  # fmt: skip
    return html.Section([html.H3(facet.label), html.Ul(rows[:SHOWN_VALUES], className="hs-counts"), *more])


def facet_value(facet: Facet, value: str, count: int, query: RunsQuery) -> html.Li:
    """A link that toggles one value; a checkbox sign says whether it is on."""
    on = value in getattr(query, facet.key)
    name: Children = [value or html.I(facet.without)]
    if facet.key == "status":
        name.insert(0, icon(STATUS_ICONS[RunStatus(value)], f"hs-status-{value}"))
    sign = icon("check-square-fill" if on else "square", "hs-facet-sign")
    label = html.Span(name, className="hs-count-name", title=value or facet.without)
    number = html.Span(f"{count:,}", className="hs-count-number")
    content: Children = [sign, label, number]
    href = links.view(links.RUNS, query.toggled(facet, value))
    return html.Li(dcc.Link(content, href=href, className="hs-count hs-on" if on else "hs-count"))


def toolbar(query: RunsQuery) -> Children:
    """What can be done with the selection, and the export menu."""
    selected = query.sel
    return [
        html.Span(f"{len(selected)} selected", className="hs-muted hs-num") if selected else None,
        action("Open", "box-arrow-up-right", links.run(selected[0]) if len(selected) == 1 else "", "Select one run"),
        action(
            "Compare",
            "layout-split",
            compare_href(selected),
            f"Select 2 to {MOST_COMPARED} runs to compare them (c)",
        ),
        dcc.Link([icon("bar-chart-line"), "Charts"], href=links.CHARTS + charted(query), className="hs-button",
                 title="Charts over the runs of this list", id="runs-charts"),
        *(dcc.Link([icon(name), label], href=address + (charted(query) or EVERYTHING), className="hs-button",
                   title=f"{label} of these runs", id=f"runs-{label.lower()}")
          for label, name, address in OVER_RUNS),
        export_menu(query),
    ]  # fmt: skip


def charted(query: RunsQuery) -> str:
    """What narrows the list, and no more: the query of a page over the same runs."""
    return RunsQuery(**query.narrowing()).to_query()


def compare_href(selected: Sequence[str]) -> str:
    """Where the selected runs are compared; "" for fewer than two and for too many."""
    if not 2 <= len(selected) <= MOST_COMPARED:
        return ""
    return links.compare(selected)


def action(label: str, icon_name: str, href: str, needs: str) -> Component:
    """A link that looks like a button; without `href` it says what it needs."""
    content: Children = [icon(icon_name), label]
    if href:
        return dcc.Link(content, href=href, className="hs-button", title=label, id=f"runs-{label.lower()}")
    return html.Span(content, className="hs-button", title=needs, **extra(aria_disabled="true"))


def export_menu(query: RunsQuery) -> Component:
    """Links to the export of everything that matches, and of the selection."""
    everything = query.without("sel").to_query()
    entries: list[Component] = [html.Div("All runs that match", className="hs-menu-title")]
    entries += [export_link(name, label, everything) for name, label in FORMATS]
    if query.sel:
        chosen = RunsQuery(sel=query.sel).to_query()
        entries.append(html.Div(f"The {len(query.sel)} selected", className="hs-menu-title"))
        entries += [export_link(name, label, chosen) for name, label in FORMATS]
    entries.append(offensive_too())
    summary = html.Summary([icon("download"), "Export"], className="hs-button")
    return html.Details([summary, html.Div(entries, className="hs-menu-list")], className="hs-menu")


def offensive_too() -> html.Button:
    """The switch of the shell, where it decides what is in a file."""
    return html.Button(
        [icon("square"), icon("check-square"), "With offensive texts"], type="button", className="hs-cover-also",
        title="Otherwise what covers them stands in their place",
        **extra(data_offensive_switch="", aria_pressed="false"),
    )  # fmt: skip


def export_link(name: str, label: str, search: str) -> html.A:
    """A download of one format."""
    return html.A(label, href=links.runs_file(name, search), download="")


def count_text(total: int, query: RunsQuery) -> str:
    """How many runs the grid goes over."""
    runs = plural(total, "run")
    return f"{runs} {'matches' if total == 1 else 'match'}" if query.is_filtered else runs
