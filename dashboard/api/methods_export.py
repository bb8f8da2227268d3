"""The tables of the Methods page as CSV, for the runs its link stands for; unmeasured is empty, units are nats.

GET /api/v1/methods/leaderboard.csv | agreement.csv | disputes.csv | receipts.csv, with the page's query
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from itertools import combinations
from typing import Any

from flask import Blueprint, Flask, Response, request

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.statistics.intervals import t_interval, wilson
from headscope.dashboard.pages.methods.comparison import Comparisons, disputes, shown_methods
from headscope.dashboard.pages.methods.query import MEASURES, MethodsQuery
from headscope.dashboard.services import Services
from headscope.storage.rows import MethodStats, ReceiptRow

Table = tuple[Sequence[str], Iterator[Sequence[Any]]]
STATS = tuple(item.name for item in fields(MethodStats))
INTERVALS = ("gain_low", "gain_high", "better_share", "better_low", "better_high")


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("methods_export", __name__, url_prefix="/api/v1/methods")
    comparisons = Comparisons(services.store)

    @routes.get("/<name>.csv")
    def export(name: str) -> Response:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        query = MethodsQuery.from_query(request.query_string.decode(errors="replace"))
        if query.notes:
            raise InputError(f"nothing was exported, so that the file is what was asked for. {query.notes[0]}")
        head, rows = TABLES[name](services, comparisons, query)
        headers = {
            "Content-Disposition": f'attachment; filename="headscope-methods-{name}.csv"',
            "Cache-Control": "no-store",
        }
        return Response(written(head, rows), mimetype="text/csv; charset=utf-8", headers=headers)

    server.register_blueprint(routes)


def written(head: Sequence[str], rows: Iterator[Sequence[Any]]) -> str:
    """RFC 4180 with a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def leaderboard(services: Services, _comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per method, or per method and prompt set; intervals beside the means."""
    stats = services.store.method_stats(query.where(), by_prompt_set=query.by == "set")
    return (*STATS, *INTERVALS), (_stats_row(row) for row in stats)


def _stats_row(row: MethodStats) -> Sequence[Any]:
    gain = math.nan if row.gain is None else row.gain
    ends = t_interval(gain, math.nan if row.deviation is None else row.deviation, row.n_receipts)
    share = row.n_better / row.n_receipts if row.n_receipts else math.nan
    return [*(getattr(row, name) for name in STATS), *ends, share, *wilson(row.n_better, row.n_receipts)]


def agreements(_services: Services, comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per two methods, with every measure, and on how many of the runs that have both each did not converge."""
    comparison = comparisons.of(query)
    head = ["method_a", "method_b", *(f"{name}_{part}" for name in MEASURES for part in ("mean", "low", "high", "n")),
            "not_converged_a", "not_converged_b"]  # fmt: skip

    def rows() -> Iterator[Sequence[Any]]:
        for one, other in combinations(shown_methods(comparison, query), 2):
            at = tuple(comparison.index((one, other)))
            means = [comparison.measure(name) for name in MEASURES]
            parts = [part[at] for item in means for part in (item.mean, item.low, item.high, item.n)]
            both = [run.not_converged for run in comparison.runs if run.scores.keys() >= {one, other}]
            yield [one, other, *parts, *(sum(name in unsure for unsure in both) for name in (one, other))]

    return head, rows()


def disputed(_services: Services, comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per prompt, the most disputed first, with its methods that did not converge."""
    comparison = comparisons.of(query)
    found = disputes(comparison, query.two or shown_methods(comparison, query))
    head = ["run_id", "model", "prompt_set", "prompt_key", "text", "target", "foil", "dispute", "method_a", "method_b",
            "tau", "not_converged"]  # fmt: skip
    return head, (
        [*(getattr(item.run, name) for name in head[:7]), item.value, *item.apart, item.apart_tau,
         " ".join(sorted(item.run.not_converged & item.run.scores.keys()))] for item in found
    )  # fmt: skip


def receipts(services: Services, _comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per receipt, of the link's method or all."""
    limit = services.settings.max_export_rows
    rows = services.store.receipts(query.where(), query.method, limit)
    names = [item.name for item in fields(ReceiptRow)]
    return names, ([getattr(row, name) for name in names] for row in rows)


def _cell(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


TABLES: dict[str, Callable[[Services, Comparisons, MethodsQuery], Table]] = {
    "leaderboard": leaderboard,
    "agreement": agreements,
    "disputes": disputed,
    "receipts": receipts,
}
