"""Charts: any number of runs against another or by group, from the filter of the Runs page. The link is the chart."""

from __future__ import annotations

from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.dashboard.cards import Children, card, drawn, loading_box
from headscope.dashboard.clientside import clientside
from headscope.dashboard.ids import Shell
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.narrowing.chips import chips
from headscope.dashboard.pages.charts import cards, view
from headscope.dashboard.pages.charts.query import PAGE, ChartsQuery
from headscope.dashboard.pages.charts.view import Ids
from headscope.dashboard.services import Services
from headscope.dashboard.still import still

__all__ = ["PAGE", "Ids", "layout", "register"]


def layout(**query: str | list[str]) -> Component:
    """Skeleton; the chart fills from the link."""
    state = ChartsQuery.from_query(query)
    body = card("Chart", loading_box(400), id=Ids.CARD, subtitle=" ", actions=html.Div(id=f"{Ids.CARD}-actions"))
    return html.Div(
        [
            page_header("Charts", "Any number of runs by group or against another, over the runs that match."),
            html.Div(notes_box(state.notes), id=Ids.NOTES),
            html.Div(view.bar(state), id=Ids.BAR, className="hs-scope"),
            html.Div(id=Ids.CHIPS, className="hs-chips"),
            body,
        ],
        className="hs-scoped hs-charts",
    )


def register(app: Dash, services: Services) -> None:
    """Callbacks: everything follows the link; a click on a point goes where it leads."""
    here = (Input(Shell.URL, "search"), State(Shell.URL, "pathname"))

    @app.callback(Output(Ids.BAR, "children"), Output(Ids.CHIPS, "children"), Output(Ids.NOTES, "children"), *here)
    def choose(search: str, path: str) -> tuple[Children, Children, Children]:
        query = parse(search, path)
        return view.bar(query), chips(PAGE.path, query), notes_box(query.notes)

    @app.callback(Output(f"{Ids.CARD}-body", "children"), Output(f"{Ids.CARD}-actions", "children"), *here)
    def show(search: str, path: str) -> tuple[Children, Children]:
        query = parse(search, path)
        body = cards.chart(services, query)
        return still(body), cards.downloads(query) if drawn(body) else None

    clientside(app, "headscope_charts", "go", Input(Ids.GRAPH, "clickData"), State(Ids.HREFS, "data"))


def parse(search: str | None, path: str) -> ChartsQuery:
    """The link's state; leaving the page also changes the address, which is none of its callbacks' business."""
    if path.rstrip("/") != PAGE.path:
        raise PreventUpdate
    return ChartsQuery.from_query(search or "")
