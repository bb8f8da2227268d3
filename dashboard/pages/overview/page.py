"""Overview: what the store holds and what came in last. Every number leads to the runs behind it."""

from __future__ import annotations

from enum import StrEnum

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import (
    Children,
    loading_box,
)
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.link_state import QueryState
from headscope.dashboard.pages import Page
from headscope.dashboard.pages.overview.cards import content
from headscope.dashboard.services import Services

PAGE = Page("overview", links.OVERVIEW, "Overview", "grid-1x2", 0, shortcut="o")


class Ids(StrEnum):
    """Ids of the overview."""

    BODY = "overview-body"
    TICK = "overview-tick"
    DIGEST = "overview-digest"


def layout(**query: str | list[str]) -> Component:
    """Skeleton."""
    return html.Div(
        [
            page_header("Overview", "What this store holds, and what came in last."),
            notes_box(QueryState.from_query(query).notes),
            html.Div(loading_box(420), id=Ids.BODY),
            dcc.Interval(id=Ids.TICK, interval=5000),
            dcc.Store(id=Ids.DIGEST),
        ]
    )


def register(app: Dash, services: Services) -> None:
    """One callback, one query; nothing is sent while nothing changed."""

    @app.callback(
        Output(Ids.BODY, "children"),
        Output(Ids.DIGEST, "data"),
        Input(Ids.TICK, "n_intervals"),
        State(Ids.DIGEST, "data"),
    )
    def refresh(_ticks: int | None, digest: str | None) -> tuple[Children, str]:
        return content(services, digest)
