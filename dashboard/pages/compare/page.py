"""Compare: two runs side by side, A | B | A - B, on units both have; and up to 20 at once, word by word.

The link holds everything; every control only writes into it (assets/90_pages/compare/compare.js), and each card follows
the part of it that it needs.
"""

from __future__ import annotations

from enum import StrEnum

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import Children, card, guarded, icon, loading_box
from headscope.dashboard.clientside import clientside
from headscope.dashboard.ids import Shell
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.pages import Page
from headscope.dashboard.pages.compare.cards import CARDS, CompareCard, content, pickers_view
from headscope.dashboard.pages.compare.picker import found_view
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.services import Services
from headscope.dashboard.still import still
from headscope.storage.interfaces import RunReader

PAGE = Page("compare", links.COMPARE, "Compare", "layout-split", 40, shortcut="c")


class Ids(StrEnum):
    """Ids of the Compare page. The stores `*_QUERY` hold the part of the query string that one card depends on."""

    ROOT = "compare-root"
    NOTES = "compare-notes"
    PICKERS = "compare-pickers"
    PAIR_QUERY = "compare-pair-query"
    FACTS_QUERY = "compare-facts-query"
    SURPRISAL_QUERY = "compare-surprisal-query"
    SCORES_QUERY = "compare-scores-query"
    LENS_QUERY = "compare-lens-query"
    ATTENTION_QUERY = "compare-attention-query"
    HEADS_QUERY = "compare-heads-query"
    ACROSS_QUERY = "compare-across-query"
    SUMMARY_QUERY = "compare-summary-query"


def layout(**query: str | list[str]) -> Component:
    """Skeleton; the cards fill from the link."""
    return html.Div(
        [
            page_header("Compare", "Several texts on one model, or one text on several models.", _actions()),
            html.Div(notes_box(CompareQuery.from_query(query).notes), id=Ids.NOTES),
            *(dcc.Store(id=name) for name in Ids if name.endswith("-query")),
            html.Div(id=Ids.PICKERS, className="hs-compare-pickers"),
            html.Div(_cards(), className="hs-compare-cards", id="compare-cards"),
        ],
        id=Ids.ROOT,
        className="hs-compare",
    )


def _actions() -> list[Component]:
    return [
        _button("changed", "eye", "Changed only", "Show only what differs"),
        _button("pin", "pin-angle", "Pin A", "Keep A as the reference for the next comparisons"),
        _button("swap", "arrow-left-right", "Swap", "Exchange A and B"),
    ]


def _button(name: str, icon_name: str, label: str, title: str) -> html.Button:
    return html.Button(
        [icon(icon_name), html.Span(label)], id=f"compare-{name}", type="button", className="hs-button", title=title
    )


def _cards() -> list[Component]:
    return [
        card(
            item.title, loading_box(120), id=item.id, subtitle=item.subtitle, actions=html.Div(id=f"{item.id}-actions")
        )
        for item in CARDS
    ]


def register(app: Dash, services: Services) -> None:
    """Callbacks: the link is taken apart in the browser, each card follows its part."""
    store, runs = services.store, RecentRuns(services.store, services.attention)
    parts = [name for name in Ids if name.endswith("-query")]
    clientside(app, "headscope_compare", "split", *(Output(name, "data") for name in parts), Input(Shell.URL, "search"),
               Input(Ids.PICKERS, "id"), *(State(name, "data") for name in parts))  # fmt: skip

    @app.callback(Output(Ids.PICKERS, "children"), Input(Ids.PAIR_QUERY, "data"), prevent_initial_call=True)
    def show_pickers(search: str) -> Children:
        return still(pickers_view(runs, CompareQuery.from_query(search or "")))

    for side, other in (("a", "b"), ("b", "a"), ("more", "a")):
        _register_search(app, store, side, other)
    for item in CARDS:
        _register_card(app, runs, item)


def _register_search(app: Dash, store: RunReader, side: str, other: str) -> None:
    @app.callback(
        Output(f"compare-found-{side}", "children"),
        Input(f"compare-typed-{side}", "data"),
        State(Ids.PAIR_QUERY, "data"),
    )
    @guarded("look for runs")
    def search_runs(text: str | None, pair: str) -> Children:
        query = CompareQuery.from_query(pair or "")
        kept = ",".join((*query.further, "")) if side == "more" else ""
        return still(found_view(store, side, text or "", getattr(query, other), kept))


def _register_card(app: Dash, runs: RecentRuns, item: CompareCard) -> None:
    @app.callback(
        Output(f"{item.id}-body", "children"),
        Output(f"{item.id}-actions", "children"),
        Input(f"compare-{item.follows}-query", "data"),
        prevent_initial_call=True,
    )
    def show(search: str) -> tuple[Children, Children]:
        body, actions = content(item, runs, search)
        return still(body), actions
