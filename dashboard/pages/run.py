"""One run, whole: tokens, candidates, confidence, attributions, attention, layers, capsule.

One callback reads the store and hands over the cards and a view model; from there on every change of view is drawn in
the browser and written into the link (assets/90_pages/run/run.js), without asking the server.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from headscope.analysis.errors import UnknownNameError
from headscope.dashboard.cards import Children, empty_box, error_box, loading_box
from headscope.dashboard.clientside import clientside
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.pages import Page
from headscope.dashboard.pages.run_cards import cards
from headscope.dashboard.pages.run_header import header, headline
from headscope.dashboard.pages.run_state import RunQuery, fitted
from headscope.dashboard.pages.run_view import neighbours, view_model
from headscope.dashboard.services import Services
from headscope.dashboard.still import still
from headscope.storage.interfaces import RunReader

PAGE = Page("run", "/run", "Run", "card-text", 25, in_nav=False, identity=("id",))


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


def content(store: RunReader, query: RunQuery) -> tuple[Children, dict[str, Any] | None]:
    """Children of the page and the browser's view model; None when there is no run to show."""
    if not query.id:
        return _instead(empty_box("No run chosen", html.P(dcc.Link("Choose one from the runs", href="/runs")))), None
    try:
        detail = store.run(query.id)
    except UnknownNameError:
        return _instead(_unknown(query.id)), None
    except Exception as error:
        return _instead(error_box(f"read run {query.id}", error)), None
    state = fitted(query, detail)
    before, after = neighbours(store, detail.row)
    top = [notes_box(state.notes), header(detail, before, after)]
    if detail.trace is not None:
        top.append(headline(detail))
    return [*top, *cards(detail)], view_model(detail, state, before, after)


def _instead(box: Component) -> list[Component]:
    """What stands where a run would, under the heading that its text would be."""
    return [page_header("Run"), box]


def _unknown(run_id: str) -> Component:
    return empty_box(
        "No such run",
        html.P(["The store has no run ", html.Code(run_id), "."]),
        html.P("It may have been deleted, or the link belongs to another store."),
        html.P(dcc.Link("See all runs", href="/runs")),
        icon_name="question-circle",
    )
