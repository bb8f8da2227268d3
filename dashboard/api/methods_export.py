"""The tables of the Methods page as CSV, for the runs its link stands for; unmeasured is empty, units are nats. What
did not converge is left out, as on the page, unless the link says `unconverged=1`. The last column of every row,
`left_out`, is a sentence where not all runs are counted, else empty. Offensive texts: see `covered_export`.

GET /api/v1/methods/leaderboard.csv | agreement.csv | disputes.csv | receipts.csv, with the page's query
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from flask import Blueprint, Flask, Response

from headscope.analysis.errors import UnknownNameError
from headscope.dashboard.api import covered_export, csv_export
from headscope.dashboard.pages.methods import rows
from headscope.dashboard.pages.methods.comparison import Comparisons, disputes, shown_methods
from headscope.dashboard.pages.methods.gains import intervals
from headscope.dashboard.pages.methods.query import MethodsQuery, counted, newest_said
from headscope.dashboard.services import Services
from headscope.storage.rows import Offences, PromptScores, ReceiptRow

Table = tuple[Sequence[str], Iterator[Sequence[Any]], str]
"""Columns, rows, and what more is left out than the newest of too many runs, in words."""
LEFT_OUT = "left_out"
Texts = TypeVar("Texts", PromptScores, ReceiptRow)


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("methods_export", __name__, url_prefix="/api/v1/methods")
    comparisons = Comparisons(services.store)

    @routes.get("/<name>.csv")
    def export(name: str) -> Response:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        query = csv_export.asked(MethodsQuery, covered_export.rest_of_query())
        head, found, more = TABLES[name](services, comparisons, query)
        said = " ".join(filter(None, (newest_said(services.store, query), more)))
        body = csv_export.written((*head, LEFT_OUT), ([*row, said] for row in found))
        return csv_export.file(f"methods-{name}.csv", body)

    server.register_blueprint(routes)


def leaderboard(services: Services, _comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per method, or per method and prompt set; intervals beside the means and the shares."""
    store, asked = services.store, {"by_prompt_set": query.by == "set", "unconverged": query.unconverged}
    where = counted(store, query)
    stats = store.method_stats(where, **asked)
    found = rows.board(stats, intervals(store.method_gains(where, **asked)))
    return rows.BOARD, ((*row.values(),) for row in found), ""


def agreements(_services: Services, comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per two methods, with every measure, and on how many of the runs with its scores each did not converge."""
    comparison = comparisons.of(query)
    found = rows.agreements(comparison, shown_methods(comparison, query))
    return rows.AGREEMENT, ((*row.values(),) for row in found), rows.sampled(comparison)


def disputed(services: Services, comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per prompt, the most disputed first, with its methods that did not converge."""
    comparison = comparisons.of(query)
    found = disputes(comparison, query.two or shown_methods(comparison, query))
    shown, why = covered_export.shown(), services.store.offensive([item.run.run_id for item in found])
    return (*rows.DISPUTES, covered_export.COLUMN), (
        [*rows.disputed(item, _seen(item.run, why, shown)).values(),
         covered_export.told(why.get(item.run.run_id, {}))] for item in found
    ), rows.sampled(comparison)  # fmt: skip


def receipts(services: Services, _comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per receipt, of the link's method or all."""
    store, limit = services.store, services.settings.max_export_rows
    found = store.receipts(counted(store, query), query.method, limit, unconverged=query.unconverged)
    names = [item.name for item in fields(ReceiptRow)]
    shown, why = covered_export.shown(), store.offensive([row.run_id for row in found])
    more = f"Only the {limit:,} receipts with the least gain over random orders." if len(found) == limit else ""
    return [*names, covered_export.COLUMN], (
        [*(getattr(_seen(row, why, shown), name) for name in names), covered_export.told(why.get(row.run_id, {}))]
        for row in found
    ), more  # fmt: skip


def _seen(row: Texts, why: Offences, shown: bool) -> Texts:
    """The row, offensive texts covered unless they are `shown`."""
    return row if shown else covered_export.cover(row, why.get(row.run_id, {}))


TABLES: dict[str, Callable[[Services, Comparisons, MethodsQuery], Table]] = {
    "leaderboard": leaderboard,
    "agreement": agreements,
    "disputes": disputed,
    "receipts": receipts,
}
