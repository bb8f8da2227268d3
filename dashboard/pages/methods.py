"""Methods: which of them find what the model uses, what they cost, and where they disagree.

The link holds everything and every control is a plain link, so that the page needs no script of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.dashboard.cards import Children, card, guarded, loading_box
from headscope.dashboard.ids import Shell
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.methods.data import Comparisons
from headscope.dashboard.methods.query import PATH, MethodsQuery, label
from headscope.dashboard.pages import Page
from headscope.dashboard.pages.methods_agreement import dispute_list, matrix, measures
from headscope.dashboard.pages.methods_board import board, csv_menu, receipts
from headscope.dashboard.parts import stay, switch
from headscope.dashboard.scope import any_runs, scope_bar
from headscope.dashboard.services import Services
from headscope.dashboard.still import still

PAGE = Page("methods", PATH, "Methods", "rulers", 25, shortcut="m")
LISTED = 20
PURPOSE = "Methods are compared on the prompts"
View = Callable[[Services, Comparisons, MethodsQuery], tuple[Children, Children]]


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
    Ids.BOARD: ("Leaderboard", "Which ranking of tokens the model itself confirms, and what it costs."),
    Ids.RECEIPTS: ("Behind the number", "The removal test of one method, prompt by prompt."),
    Ids.MATRIX: ("Agreement", "Every method with every other, prompt by prompt."),
    Ids.DISPUTES: ("Most disputed prompts", "Where the choice of method changes the answer."),
}


def layout(**query: str | list[str]) -> Component:
    """Skeleton; the cards fill from the link."""
    cards = [
        card(title, loading_box(160), id=id_, subtitle=subtitle, actions=html.Div(id=f"{id_}-actions"))
        for id_, (title, subtitle) in CARDS.items()
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
        return scope_bar(services.store, query, PURPOSE, PAGE.icon), notes_box(query.notes)

    def follow(id_: Ids, view: View) -> None:
        @app.callback(Output(f"{id_}-body", "children"), Output(f"{id_}-actions", "children"), *here)
        def show(search: str, path: str) -> tuple[Children, Children]:
            query = _query(search, path)
            body, actions = content(view, services, comparisons, query)
            return still(body), actions

    for id_, view in VIEWS.items():
        follow(id_, view)


def _query(search: str | None, path: str) -> MethodsQuery:
    """The link's state; leaving the page also changes the address, which is none of its callbacks' business."""
    if path.rstrip("/") != PAGE.path:
        raise PreventUpdate
    return MethodsQuery.from_query(search or "")


def content(view: View, services: Services, comparisons: Comparisons, query: MethodsQuery) -> tuple[Children, Children]:
    """A card's body and actions; nothing (the card is not shown) until an experiment is chosen."""
    if not query.experiment:
        return None, None

    @guarded("compare the methods")
    def shown() -> Children:
        return view(services, comparisons, query)

    found = shown()
    return found if isinstance(found, tuple) else (found, None)


def show_board(services: Services, _comparisons: Comparisons, query: MethodsQuery) -> tuple[Children, Children]:
    """The leaderboard and its switch; nothing where there is no run, which the filters say."""
    store, where = services.store, query.where()
    if not any_runs(store, query):
        return None, None
    stats = store.method_stats(where, by_prompt_set=query.by == "set")
    models = 1 if query.model else len(store.facets(where, ["model"])["model"])
    body = board(query, stats, store.method_failures(where), models)
    if not stats:
        return body, None
    by = switch("by", query, [("method", "by method"), ("set", "by prompt set")], "Rows")
    return body, [by, csv_menu(Ids.BOARD, ("Leaderboard, CSV", "leaderboard", query),
                               ("Every receipt, CSV", "receipts", replace(query, method="")))]  # fmt: skip


def show_receipts(services: Services, _comparisons: Comparisons, query: MethodsQuery) -> tuple[Children, Children]:
    """The receipts of the method in the link; nothing without one."""
    if not query.method or not any_runs(services.store, query):
        return None, None
    rows = services.store.receipts(query.where(), query.method, LISTED)
    close = stay("Close", query.link(method=""), "hs-button")
    body = [html.P(html.B(label(query.method))), *_listed(receipts(query, rows, LISTED))]
    return body, [close, csv_menu(Ids.RECEIPTS, ("Receipts, CSV", "receipts", query))]


def _listed(children: Children) -> list[Children]:
    return children if isinstance(children, list) else [children]


def show_matrix(_services: Services, comparisons: Comparisons, query: MethodsQuery) -> tuple[Children, Children]:
    """Agreement and which measure of it."""
    comparison = comparisons.of(query)
    if not comparison.runs:
        return None, None
    if len(comparison.methods) < 2:
        return matrix(query, comparison), None
    actions = [measures(query), csv_menu(Ids.MATRIX, ("Agreement, CSV", "agreement", query))]
    return matrix(query, comparison), actions


def show_disputes(_services: Services, comparisons: Comparisons, query: MethodsQuery) -> tuple[Children, Children]:
    """The prompts methods disagree about; nothing where there is only one method."""
    comparison = comparisons.of(query)
    if len(comparison.methods) < 2:
        return None, None
    return dispute_list(query, comparison), csv_menu(Ids.DISPUTES, ("Every prompt, CSV", "disputes", query))


VIEWS: dict[Ids, View] = {
    Ids.BOARD: show_board,
    Ids.RECEIPTS: show_receipts,
    Ids.MATRIX: show_matrix,
    Ids.DISPUTES: show_disputes,
}
