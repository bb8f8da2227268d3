"""Methods: which of them find what the model uses, what they cost, and where they disagree.

The link holds everything and every control is a plain link, so that the page needs no script of its own.
"""

from __future__ import annotations

from enum import StrEnum

from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.dashboard.cards import Children, card, guarded, loading_box
from headscope.dashboard.ids import Shell
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.pages.methods.cards import (
    MethodsCard,
    View,
    content,
    show_board,
    show_disputes,
    show_matrix,
    show_receipts,
)
from headscope.dashboard.pages.methods.comparison import Comparisons
from headscope.dashboard.pages.methods.query import MethodsQuery, newest_said
from headscope.dashboard.parts import warning
from headscope.dashboard.scoped.bar import scope_bar
from headscope.dashboard.services import Services
from headscope.dashboard.still import still
from headscope.storage.interfaces import RunReader

PAGE = MethodsQuery.PAGE
PURPOSE = "Methods are compared on the prompts"


class Ids(StrEnum):
    """Ids of the Methods page."""

    ROOT = "methods-root"
    NOTES = "methods-notes"
    FILTERS = "methods-filters"
    BOARD = "methods-board"
    RECEIPTS = "methods-receipts"
    MATRIX = "methods-matrix"
    DISPUTES = "methods-disputes"


CARDS = {
    Ids.BOARD: MethodsCard(
        "Leaderboard", "Which ranking of tokens the model itself confirms, and what it costs.", show_board
    ),
    Ids.RECEIPTS: MethodsCard("Behind the number", "The removal test of one method, prompt by prompt.", show_receipts),
    Ids.MATRIX: MethodsCard("Agreement", "Every method with every other, prompt by prompt.", show_matrix),
    Ids.DISPUTES: MethodsCard("Most disputed prompts", "Where the choice of method changes the answer.", show_disputes),
}


def layout(**query: str | list[str]) -> Component:
    """Skeleton; the cards fill from the link."""
    cards = [
        card(item.title, loading_box(160), id=id_, subtitle=item.subtitle, actions=html.Div(id=f"{id_}-actions"))
        for id_, item in CARDS.items()
    ]
    return html.Div(
        [
            page_header("Methods", "Which explanations to trust on these prompts, and where they disagree."),
            html.Div(notes_box(MethodsQuery.from_query(query).notes), id=Ids.NOTES),
            html.Div(loading_box(32), id=Ids.FILTERS, className="hs-scope"),
            html.Div(cards, className="hs-stack"),
        ],
        id=Ids.ROOT,
        className="hs-scoped hs-methods",
    )


def register(app: Dash, services: Services) -> None:
    """Callbacks: each card follows the link."""
    comparisons = Comparisons(services.store)
    here = (Input(Shell.URL, "search"), State(Shell.URL, "pathname"))

    @app.callback(Output(Ids.FILTERS, "children"), Output(Ids.NOTES, "children"), *here)
    def show_filters(search: str, path: str) -> tuple[Children, Children]:
        query = _query(search, path)
        return methods_bar(services.store, query), notes_box(query.notes)

    def follow(id_: Ids, view: View) -> None:
        @app.callback(Output(f"{id_}-body", "children"), Output(f"{id_}-actions", "children"), *here)
        def show(search: str, path: str) -> tuple[Children, Children]:
            query = _query(search, path)
            body, actions = content(view, services, comparisons, query)
            return still(body), actions

    for id_, item in CARDS.items():
        follow(id_, item.view)


@guarded("read the experiments")
def methods_bar(store: RunReader, query: MethodsQuery) -> Children:
    """The bar that chooses the runs, and whether all of them are counted."""
    bar = scope_bar(store, query, PURPOSE)
    return [*bar, *left_out(store, query)] if isinstance(bar, list) else bar


def left_out(store: RunReader, query: MethodsQuery) -> list[Component]:
    """Said where not all runs are counted."""
    said = newest_said(store, query)
    return [warning(said, " More would take too long: choose an experiment, or fewer runs.")] if said else []


def _query(search: str | None, path: str) -> MethodsQuery:
    """The link's state; leaving the page also changes the address, which is none of its callbacks' business."""
    if path.rstrip("/") != PAGE.path:
        raise PreventUpdate
    return MethodsQuery.from_query(search or "")
