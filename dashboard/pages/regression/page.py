"""Regression: whether a candidate is worse than a baseline, on the prompts both have; what `headscope check` says."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.dashboard.cards import Children, card, loading_box
from headscope.dashboard.ids import Shell
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.pages.regression.cards import CARDS, bar, content
from headscope.dashboard.pages.regression.query import Comparisons, RegressionQuery
from headscope.dashboard.pages.regression.view import LIMITS
from headscope.dashboard.services import Services
from headscope.dashboard.still import still

PAGE = RegressionQuery.PAGE


class Ids(StrEnum):
    """Ids of the page."""

    ROOT = "regression-root"
    NOTES = "regression-notes"
    SCOPE = "regression-scope"


def layout(**query: Any) -> Component:
    """Skeleton; the cards fill from the link."""
    cards = [
        card(item.title, loading_box(120), id=id_, subtitle=item.subtitle, actions=html.Div(id=f"{id_}-actions"))
        for id_, item in CARDS.items()
    ]
    return html.Div(
        [
            page_header(PAGE.label, "Has a model become worse? Two experiments, prompt by prompt."),
            html.Div(notes_box(RegressionQuery.from_query(query).notes), id=Ids.NOTES),
            html.Div(loading_box(32), id=Ids.SCOPE, className="hs-scope"),
            html.Details([html.Summary("What this comparison can and cannot tell"), html.Div(LIMITS)],
                         className="hs-details hs-limits"),
            html.Div(cards, className="hs-stack"),
        ],
        id=Ids.ROOT,
        className="hs-scoped hs-regression",
    )  # fmt: skip


def register(app: Dash, services: Services) -> None:
    """The bar first; then all cards at once, from one comparison."""
    comparisons = Comparisons(services.store)
    here = (Input(Shell.URL, "search"), State(Shell.URL, "pathname"))

    @app.callback(Output(Ids.SCOPE, "children"), Output(Ids.NOTES, "children"), *here)
    def show_bar(search: str, path: str) -> tuple[Children, Children]:
        query = parse(search, path)
        return bar(services.store, query), notes_box(query.notes)

    outputs = [Output(f"{id_}-{part}", "children") for id_ in CARDS for part in ("body", "actions")]

    @app.callback(*outputs, *here)
    def show_cards(search: str, path: str) -> tuple[Children, ...]:
        found = content(services, comparisons, parse(search, path))
        return tuple(part for id_ in CARDS for part in (still(found[id_][0]), found[id_][1]))


def parse(search: str | None, path: str) -> RegressionQuery:
    """The link's state; leaving the page also changes the address, which is none of its callbacks' business."""
    if path.rstrip("/") != PAGE.path:
        raise PreventUpdate
    return RegressionQuery.from_query(search or "")
