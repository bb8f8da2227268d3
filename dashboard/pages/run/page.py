"""One run, whole: tokens, candidates, confidence, attributions, attention, layers, capsule.

One callback reads the store and hands over the cards and a view model; from there on every change of view is drawn in
the browser and written into the link (assets/90_pages/run/run.js), without asking the server.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import Children, loading_box
from headscope.dashboard.clientside import clientside
from headscope.dashboard.pages import Page
from headscope.dashboard.pages.run.cards import content
from headscope.dashboard.pages.run.query import RunQuery
from headscope.dashboard.services import Services
from headscope.dashboard.still import still

PAGE = Page("run", links.RUN, "Run", "card-text", 25, in_nav=False, identity=("id",))


class Ids(StrEnum):
    """Ids of the Run page's frame; cards and slots are named in `run_cards`."""

    ROOT = "run-root"
    QUERY = "run-query"
    CONTENT = "run-content"
    VIEW = "run-view"


def layout(**query: str | list[str]) -> Component:
    """Skeleton; `register`'s callback fills it."""
    state = RunQuery.from_query(query)
    return html.Div(
        [
            dcc.Store(id=Ids.QUERY, data=dict(query)),
            dcc.Store(id=Ids.VIEW),
            html.Div(loading_box(420, f"Loading run {state.id}"), id=Ids.CONTENT),
        ],
        id=Ids.ROOT,
        className="hs-run",
    )


def register(app: Dash, services: Services) -> None:
    """One callback to the store, one into the browser's own code."""
    store = services.store
    clientside(app, "headscope_run", "show", Input(Ids.VIEW, "data"))

    @app.callback(Output(Ids.CONTENT, "children"), Output(Ids.VIEW, "data"), Input(Ids.QUERY, "data"))
    def show(query: dict[str, Any]) -> tuple[Children, dict[str, Any] | None]:
        body, view = content(store, RunQuery.from_query(query or {}))
        return still(body), view
