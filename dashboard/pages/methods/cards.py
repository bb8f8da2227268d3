"""The cards of the Methods page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dash import html

from headscope.dashboard.cards import Children, guarded
from headscope.dashboard.pages.methods import sql
from headscope.dashboard.pages.methods.agreement import dispute_list, matrix, measures
from headscope.dashboard.pages.methods.behind import receipts
from headscope.dashboard.pages.methods.board import board, csv_menu
from headscope.dashboard.pages.methods.comparison import Comparisons
from headscope.dashboard.pages.methods.gains import intervals
from headscope.dashboard.pages.methods.query import MethodsQuery, counted, ids_sql, label
from headscope.dashboard.pages.methods.unsure import of_stats
from headscope.dashboard.parts import stay, switch
from headscope.dashboard.scoped.bar import any_runs
from headscope.dashboard.services import Services

LISTED = 20
View = Callable[[Services, Comparisons, MethodsQuery], tuple[Children, Children]]


@dataclass(frozen=True, slots=True)
class MethodsCard:
    """One card: `view` gives its body and actions; None hides the card."""

    title: str
    subtitle: str
    view: View


def content(view: View, services: Services, comparisons: Comparisons, query: MethodsQuery) -> tuple[Children, Children]:
    """A card's body and actions; nothing (the card is not shown) until the runs are chosen."""
    if not query.chosen:
        return None, None

    @guarded("compare the methods")
    def shown() -> Children:
        return view(services, comparisons, query)

    found = shown()
    return found if isinstance(found, tuple) else (found, None)


def show_board(services: Services, _comparisons: Comparisons, query: MethodsQuery) -> tuple[Children, Children]:
    """The leaderboard and its switch; nothing where there is no run, which the filters say."""
    store = services.store
    if not any_runs(store, query):
        return None, None
    where = counted(store, query)
    asked = {"by_prompt_set": query.by == "set", "unconverged": query.unconverged}
    stats = store.method_stats(where, **asked)
    found = intervals(store.method_gains(where, **asked))
    failures = store.method_failures(where) if any(row.n_failed for row in stats) else ()
    body = board(query, stats, found, failures, sql.board(query, ids_sql(store, query)))
    if not stats:
        return body, None
    by = switch("by", query, [("method", "by method"), ("set", "by prompt set")], "Rows")
    return body, [by, csv_menu(("Leaderboard, CSV", "leaderboard", query),
                               ("Every receipt, CSV", "receipts", replace(query, method="")),
                               pictured="methods-board")]  # fmt: skip


def show_receipts(services: Services, _comparisons: Comparisons, query: MethodsQuery) -> tuple[Children, Children]:
    """The receipts of the method in the link; nothing without one."""
    if not query.method or not any_runs(services.store, query):
        return None, None
    store, where = services.store, counted(services.store, query)
    rows = store.receipts(where, query.method, LISTED, unconverged=query.unconverged)
    counts = of_stats(row for row in store.method_stats(where, unconverged=query.unconverged)
                      if row.method == query.method)  # fmt: skip
    why = store.offensive([row.run_id for row in rows])
    close = stay("Close", query.link(method=""), "hs-button")
    body = [
        html.P(html.B(label(query.method))),
        *_listed(receipts(query, rows, LISTED, counts, why, sql.receipts(query, ids_sql(store, query)))),
    ]
    return body, [close, csv_menu(("Receipts, CSV", "receipts", query))]


def _listed(children: Children) -> list[Children]:
    return children if isinstance(children, list) else [children]


def show_matrix(services: Services, comparisons: Comparisons, query: MethodsQuery) -> tuple[Children, Children]:
    """Agreement and which measure of it."""
    comparison = comparisons.of(query)
    if not comparison.runs:
        return None, None
    body = matrix(query, comparison, sql.scores(query, ids_sql(services.store, query)))
    if len(comparison.methods) < 2:
        return body, None
    return body, [measures(query), csv_menu(("Agreement, CSV", "agreement", query), pictured="methods-matrix")]


def show_disputes(services: Services, comparisons: Comparisons, query: MethodsQuery) -> tuple[Children, Children]:
    """The prompts methods disagree about; nothing where there is only one method."""
    comparison = comparisons.of(query)
    if len(comparison.methods) < 2:
        return None, None
    return dispute_list(query, comparison, services.store), csv_menu(("Every prompt, CSV", "disputes", query))
