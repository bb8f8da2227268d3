"""Compare: two runs side by side, A | B | A - B, on units both have; and up to 20 at once, word by word.

The link holds everything; every control only writes into it (assets/90_pages/compare/compare.js), and each card follows
the part of it that it needs.
"""

from __future__ import annotations

from enum import StrEnum

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from headscope.analysis.errors import UnknownNameError
from headscope.dashboard.cards import Children, card, empty_box, guarded, icon, loading_box
from headscope.dashboard.clientside import clientside
from headscope.dashboard.figures.across import MOST_RUNS
from headscope.dashboard.ids import Shell
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.pages import Page
from headscope.dashboard.pages.compare_across import across_actions, across_view
from headscope.dashboard.pages.compare_cards import ACTIONS, VIEWS, View, candidates
from headscope.dashboard.pages.compare_data import CompareQuery
from headscope.dashboard.pages.compare_picker import found_view, further, picker
from headscope.dashboard.pages.compare_runs import RecentRuns
from headscope.dashboard.services import Services
from headscope.dashboard.still import still
from headscope.storage.interfaces import RunReader

PAGE = Page("compare", "/compare", "Compare", "layout-split", 40, shortcut="c")


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


CARDS = {
    Ids.FACTS_QUERY: "compare-facts",
    Ids.SURPRISAL_QUERY: "compare-surprisal",
    Ids.SCORES_QUERY: "compare-scores",
    Ids.LENS_QUERY: "compare-lens",
    Ids.ATTENTION_QUERY: "compare-attention",
    Ids.HEADS_QUERY: "compare-heads",
}


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
    texts = {
        "compare-across": ("All runs", "One number for every run and word, words as in A."),
        "compare-facts": ("What differs", "Input, model and configuration of A and B."),
        "compare-surprisal": ("Surprisal", "How unexpected each part of the text was: the sum over its tokens."),
        "compare-candidates": ("Next token", "What each side expects after its whole text."),
        "compare-lens": ("Logit lens", "Target and foil as each layer would say them next, at the end of the text."),
        "compare-scores": ("Attribution", "What the explained token rests on."),
        "compare-attention": ("Attention of one head", "Where it reads from, on units both runs have."),
        "compare-heads": ("All heads", "One statistic of every head; click a head to see its attention."),
    }
    return [
        card(title, loading_box(120), id=id_, subtitle=subtitle, actions=html.Div(id=f"{id_}-actions"))
        for id_, (title, subtitle) in texts.items()
    ]


def register(app: Dash, services: Services) -> None:
    """Callbacks: the link is taken apart in the browser, each card follows its part."""
    store, runs = services.store, RecentRuns(services.store, services.attention)
    parts = [name for name in Ids if name.endswith("-query")]
    clientside(app, "headscope_compare", "split", *(Output(name, "data") for name in parts), Input(Shell.URL, "search"),
               Input(Ids.PICKERS, "id"), *(State(name, "data") for name in parts))  # fmt: skip

    @app.callback(Output(Ids.PICKERS, "children"), Input(Ids.PAIR_QUERY, "data"), prevent_initial_call=True)
    def show_pickers(search: str) -> Children:
        return still(pickers_view(store, CompareQuery.from_query(search or "")))

    for side, other in (("a", "b"), ("b", "a"), ("more", "a")):
        _register_search(app, store, side, other)
    for name, id_ in CARDS.items():
        _register_card(app, runs, name, id_)

    @app.callback(
        Output("compare-across-body", "children"),
        Output("compare-across-actions", "children"),
        Input(Ids.ACROSS_QUERY, "data"),
        prevent_initial_call=True,
    )
    def show_across(search: str) -> tuple[Children, Children]:
        return still(across(runs, search)), across_options(runs, search)

    @app.callback(
        Output("compare-candidates-body", "children"), Input(Ids.FACTS_QUERY, "data"), prevent_initial_call=True
    )
    def show_candidates(search: str) -> Children:
        return still(compare(runs, search, candidates))


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


def _register_card(app: Dash, runs: RecentRuns, name: Ids, id_: str) -> None:
    @app.callback(
        Output(f"{id_}-body", "children"),
        Output(f"{id_}-actions", "children"),
        Input(name, "data"),
        prevent_initial_call=True,
    )
    def show(search: str) -> tuple[Children, Children]:
        return still(compare(runs, search, VIEWS[id_])), compare(runs, search, ACTIONS[id_])


@guarded("compare the runs")
def compare(runs: RecentRuns, search: str | None, view: View) -> Children:
    """A card's content for a query string; nothing while a run is not chosen, or is not there (the pickers say so)."""
    query = CompareQuery.from_query(search or "")
    try:
        pair = runs.pair(query)
    except UnknownNameError:
        return None
    return None if pair is None else view(runs, query, pair)


@guarded("compare all runs")
def across(runs: RecentRuns, search: str | None) -> Children:
    """The card over all runs; nothing while A or B is not chosen, or is not there."""
    query = CompareQuery.from_query(search or "")
    try:
        many = runs.many(query)
    except UnknownNameError:
        return None
    return across_view(runs, query, many) if many else None


@guarded("compare all runs")
def across_options(runs: RecentRuns, search: str | None) -> Children:
    """Its switches."""
    query = CompareQuery.from_query(search or "")
    try:
        return across_actions(query, runs.many(query))
    except UnknownNameError:
        return None


@guarded("show the runs")
def pickers_view(store: RunReader, query: CompareQuery) -> Children:
    """The pickers, with what is chosen; an id that is not in the store says so."""
    asked = [id_ for id_ in (query.a, query.b, *query.further) if id_]
    rows = {row.id: row for row in store.runs(asked)}
    lost = [f"There is no run {id_} in this store: choose another." for id_ in asked if id_ not in rows]
    pickers = [picker("a", "A", rows.get(query.a)), picker("b", "B", rows.get(query.b))]
    if query.a not in rows or query.b not in rows:
        return [notes_box(lost), *pickers, *([] if lost else [_invitation()])]
    return [notes_box(lost), *pickers, further([rows[id_] for id_ in query.further if id_ in rows], MOST_RUNS)]


def _invitation() -> Component:
    return empty_box(
        "Choose two runs",
        html.P("The same text on two models shows what the models make of it; two texts on one model show what a "
               "change of words does. Once one run is chosen, its counterparts are offered first."),
        html.P(["You can also select 2 to 20 rows among the ", dcc.Link("runs", href="/runs"), " and press ",
                html.Kbd("c"), "."]),
        icon_name="layout-split",
    )  # fmt: skip
