"""Runs: a grid over the whole table. The store pages, sorts, filters, searches and counts; the link holds the state.

Everything that changes the list ends in the link (`RunsQuery`), and everything shown is read from the link: facets and
chips are plain links, the grid and the search box report to `Ids.GOTO`, which is written to the address by script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

import dash_bootstrap_components as dbc
from dash import Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.dashboard import links
from headscope.dashboard.cards import Children, extra, icon, loading_box
from headscope.dashboard.clientside import clientside
from headscope.dashboard.ids import Shell
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.narrowing.chips import chips
from headscope.dashboard.pages import Page
from headscope.dashboard.pages.runs import view
from headscope.dashboard.pages.runs.cards import ListState, block, cautions, constants, facets, list_state
from headscope.dashboard.pages.runs.query import MAX_SELECTED, RunsQuery
from headscope.dashboard.services import Services
from headscope.dashboard.still import still

PAGE = Page("runs", links.RUNS, "Runs", "table", 10, shortcut="r", libraries=("dash_ag_grid",))
PAGE_SIZE = 100


class Ids(StrEnum):
    """Ids of the Runs page. `REPORTED`: what the grid shows (script -> server); `STATE`: what it must show (server ->
    script); `TYPED`: the search as typed; `SELECTED`: ids of selected runs; `GOTO`: what to change in the address."""

    GRID = "runs-grid"
    SEARCH = "runs-search"
    FACETS = "runs-facets"
    CHIPS = "runs-chips"
    NOTES = "runs-notes"
    CAUTIONS = "runs-cautions"
    TOOLBAR = "runs-toolbar"
    COUNT = "runs-count"
    BOX = "runs-box"
    STATE = "runs-state"
    REPORTED = "runs-reported"
    TYPED = "runs-typed"
    SELECTED = "runs-selected"
    GOTO = "runs-goto"
    COLUMNS = "runs-columns"
    REFRESH = "runs-refresh"


def layout(**query: str | list[str]) -> Component:
    """Skeleton, already sorted, filtered and searched as the link says."""
    state = RunsQuery.from_query(query)
    frame = html.Div(
        [view.grid(Ids.GRID, state, PAGE_SIZE), html.Div(id=Ids.BOX, className="hs-runs-box")],
        className="hs-runs-frame",
    )
    waiting = loading_box(150)  # as high as the facets may be above the list (runs.css), which keeps its place
    panel = html.Aside(html.Div(waiting, id=Ids.FACETS), className="hs-facets", **extra(aria_label="Filters"))
    grid_card = html.Section(
        [bar(state), html.Div(id=Ids.CHIPS, className="hs-chips"), frame],
        className="hs-card hs-runs-card",
        **extra(aria_label="List of runs"),
    )
    return html.Div(
        [
            page_header("Runs", "Every prompt analysed, one row each.", html.Div(id=Ids.TOOLBAR, className="hs-tools")),
            html.Div(notes_box(state.notes), id=Ids.NOTES),
            html.Div(id=Ids.CAUTIONS),
            html.Div([panel, grid_card], className="hs-runs"),
            *(dcc.Store(id=name) for name in (Ids.STATE, Ids.REPORTED, Ids.TYPED, Ids.SELECTED, Ids.GOTO)),
        ],
        className="hs-runs-page",
    )


def bar(state: RunsQuery) -> Component:
    """Search, count, columns, refresh."""
    search = dbc.Input(
        id=Ids.SEARCH,
        type="search",
        value=state.q,
        placeholder="Search prompt, target, error or id",
        className="hs-field hs-search",
        autocomplete="off",
    )
    refresh = html.Button(
        icon("arrow-clockwise"),
        id=Ids.REFRESH,
        type="button",
        className="hs-icon-button",
        title="Load new runs",
        **extra(aria_label="Load new runs"),
    )
    columns = html.Details(
        [
            html.Summary([icon("layout-three-columns"), "Columns"], className="hs-button hs-button-quiet"),
            html.Div(id=Ids.COLUMNS, className="hs-menu-list hs-menu-keep"),
        ],
        className="hs-menu",
    )
    count = html.Span(id=Ids.COUNT, className="hs-muted hs-num", role="status")
    typed = html.Div(search, className="hs-search-box", **extra(data_typed=Ids.TYPED))
    return html.Div([typed, count, columns, refresh], className="hs-runs-bar")


def register(app: Dash, services: Services) -> None:
    """Callbacks; the functions they call are below and need no Dash."""
    here = (Input(Shell.URL, "search"), State(Shell.URL, "pathname"))

    @app.callback(
        Output(Ids.GRID, "getRowsResponse"),
        Output(Ids.COUNT, "children"),
        Output(Ids.BOX, "children"),
        Input(Ids.GRID, "getRowsRequest"),
        State(Shell.URL, "search"),
    )
    def rows(request: Mapping[str, Any] | None, search: str) -> tuple[dict[str, Any], Children, Children]:
        if not request:
            raise PreventUpdate
        return block(services, request, RunsQuery.from_query(search or ""))

    @app.callback(Output(Ids.FACETS, "children"), *here)
    def panel(search: str, path: str) -> Children:
        return still(facets(services, _query(search, path)))

    @app.callback(Output(Ids.CAUTIONS, "children"), *here)
    def warn(search: str, path: str) -> Children:
        return cautions(services, _query(search, path))

    @app.callback(
        Output(Ids.STATE, "data"),
        Output(Ids.CHIPS, "children"),
        Output(Ids.TOOLBAR, "children"),
        Output(Ids.NOTES, "children"),
        *here,
    )
    def follow(search: str, path: str) -> tuple[ListState, Children, Children, Children]:
        query = _query(search, path)
        state = list_state(query, constants(services))
        return state, chips(links.RUNS, query), view.toolbar(query), notes_box(query.notes)

    clientside(app, "headscope_runs", "go", Input(Ids.GOTO, "data"))
    clientside(app, "headscope_runs", "sync", Input(Ids.STATE, "data"))
    _register_moves(app)


def _register_moves(app: Dash) -> None:
    """What is done in the grid becomes an address."""

    @app.callback(
        Output(Ids.GOTO, "data"),
        Input(Ids.REPORTED, "data"),
        Input(Ids.TYPED, "data"),
        Input(Ids.SELECTED, "data"),
        prevent_initial_call=True,
    )
    def go(grid: Mapping[str, Any] | None, text: str | None, selected: Sequence[str] | None) -> dict[str, Any]:
        changed = {str(key).split(".", maxsplit=1)[0] for key in ctx.triggered_prop_ids}
        return moved(changed, grid or {}, text or "", selected or ())


def _query(search: str | None, path: str) -> RunsQuery:
    """The link's state; leaving the page also changes the address, which is none of its callbacks' business."""
    if path.rstrip("/") != PAGE.path:
        raise PreventUpdate
    return RunsQuery.from_query(search or "")


def moved(changed: set[str], grid: Mapping[str, Any], text: str, selected: Sequence[str]) -> dict[str, Any]:
    """The keys of the link that the parts in `changed` (ids) speak for, and their new values as a query string. Script
    puts them into the address as it is then, so that nothing that happened in between is undone."""
    keys: list[str] = []
    query = RunsQuery()
    if Ids.REPORTED in changed:
        keys += ["f", "sort", "cols"]
        query = query.with_grid_state(grid)
    if Ids.TYPED in changed:
        keys.append("q")
        query = replace(query, q=text.strip())
    if Ids.SELECTED in changed:
        keys.append("sel")
        query = replace(query, sel=tuple(selected)[:MAX_SELECTED])
    return {"keys": keys, "query": query.to_query()}
