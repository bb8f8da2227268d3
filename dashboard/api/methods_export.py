"""The tables of the Methods page as CSV, for the runs its link stands for; unmeasured is empty, units are nats. What
did not converge is left out, as on the page, unless the link says `unconverged=1`. The last column of every row,
`left_out`, is a sentence where not all runs are counted, else empty. Offensive texts: see `covered_export`.

GET /api/v1/methods/leaderboard.csv | agreement.csv | disputes.csv | receipts.csv, with the page's query
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import combinations
from typing import Any

from flask import Blueprint, Flask, Response

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.statistics.intervals import wilson
from headscope.dashboard.api import covered_export, csv_export
from headscope.dashboard.pages.methods.comparison import Comparison, Comparisons, disputes, shown_methods
from headscope.dashboard.pages.methods.gains import Gain, intervals, of
from headscope.dashboard.pages.methods.query import MEASURES as AGREEMENTS
from headscope.dashboard.pages.methods.query import MethodsQuery, counted, newest_said
from headscope.dashboard.pages.methods.verdicts import WORDS
from headscope.dashboard.services import Services
from headscope.storage.rows import MEASURES, MethodStats, Offences, PromptScores, ReceiptRow

Table = tuple[Sequence[str], Iterator[Sequence[Any]], str]
"""Columns, rows, and what more is left out than the newest of too many runs, in words."""
LEFT_OUT = "left_out"
STATS = tuple(item.name for item in fields(MethodStats))
SHARES = {**dict.fromkeys(WORDS, "n_tested"), "n_top1": "n_shapley"}
"""A count of a row -> what it is a share of."""
INTERVALS = (
    *(f"{name}_{end}" for name in MEASURES for end in ("low", "high")),
    *(f"{name.removeprefix('n_')}_{part}" for name in SHARES for part in ("share", "low", "high")),
)


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("methods_export", __name__, url_prefix="/api/v1/methods")
    comparisons = Comparisons(services.store)

    @routes.get("/<name>.csv")
    def export(name: str) -> Response:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        query = csv_export.asked(MethodsQuery, covered_export.rest_of_query())
        head, rows, more = TABLES[name](services, comparisons, query)
        said = " ".join(filter(None, (newest_said(services.store, query), more)))
        body = csv_export.written((*head, LEFT_OUT), ([*row, said] for row in rows))
        return csv_export.file(f"methods-{name}.csv", body)

    server.register_blueprint(routes)


def leaderboard(services: Services, _comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per method, or per method and prompt set; intervals beside the means and the shares."""
    store, asked = services.store, {"by_prompt_set": query.by == "set", "unconverged": query.unconverged}
    where = counted(store, query)
    stats = store.method_stats(where, **asked)
    found = intervals(store.method_gains(where, **asked))
    return (*STATS, *INTERVALS), (_stats_row(row, of(found, row)) for row in stats), ""


def _stats_row(row: MethodStats, gains: Mapping[str, Gain]) -> Sequence[Any]:
    ends = [end for gain in gains.values() for end in (gain.low, gain.high)]
    shares: list[float] = []
    for name, total in SHARES.items():
        count, n = getattr(row, name), getattr(row, total)
        shares += [count / n if n else math.nan, *wilson(count, n)]
    return [*(getattr(row, name) for name in STATS), *ends, *shares]


def agreements(_services: Services, comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per two methods, with every measure, and on how many of the runs with its scores each did not converge."""
    comparison = comparisons.of(query)
    head = ["method_a", "method_b", *(f"{name}_{part}" for name in AGREEMENTS for part in ("mean", "low", "high", "n")),
            "not_converged_a", "not_converged_b"]  # fmt: skip

    def rows() -> Iterator[Sequence[Any]]:
        for one, other in combinations(shown_methods(comparison, query), 2):
            at = tuple(comparison.index((one, other)))
            means = [comparison.measure(name) for name in AGREEMENTS]
            parts = [part[at] for item in means for part in (item.mean, item.low, item.high, item.n)]
            yield [one, other, *parts, *(comparison.unsure[name][0] for name in (one, other))]

    return head, rows(), _sampled(comparison)


def disputed(services: Services, comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per prompt, the most disputed first, with its methods that did not converge."""
    comparison = comparisons.of(query)
    found = disputes(comparison, query.two or shown_methods(comparison, query))
    shown, why = covered_export.shown(), services.store.offensive([item.run.run_id for item in found])
    head = ["run_id", "model", "prompt_set", "prompt_key", "text", "target", "foil", "dispute", "method_a", "method_b",
            "tau", "not_converged", covered_export.COLUMN]  # fmt: skip
    return head, (
        [*_texts(item.run, head[:7], why, shown), item.value, *item.apart, item.apart_tau,
         " ".join(sorted(item.run.not_converged)), covered_export.told(why.get(item.run.run_id, {}))] for item in found
    ), _sampled(comparison)  # fmt: skip


def _sampled(comparison: Comparison) -> str:
    read, total = len(comparison.runs), comparison.total
    return f"A fixed random sample: {read:,} of {total:,} runs." if read < total else ""


def receipts(services: Services, _comparisons: Comparisons, query: MethodsQuery) -> Table:
    """A row per receipt, of the link's method or all."""
    store, limit = services.store, services.settings.max_export_rows
    rows = store.receipts(counted(store, query), query.method, limit, unconverged=query.unconverged)
    names = [item.name for item in fields(ReceiptRow)]
    shown, why = covered_export.shown(), store.offensive([row.run_id for row in rows])
    more = f"Only the {limit:,} receipts with the least gain over random orders." if len(rows) == limit else ""
    return [*names, covered_export.COLUMN], (
        [*_texts(row, names, why, shown), covered_export.told(why.get(row.run_id, {}))] for row in rows
    ), more  # fmt: skip


def _texts(row: PromptScores | ReceiptRow, names: Sequence[str], why: Offences, shown: bool) -> list[Any]:
    """The values of these columns, offensive texts covered unless they are `shown`."""
    written_row = row if shown else covered_export.cover(row, why.get(row.run_id, {}))
    return [getattr(written_row, name) for name in names]


TABLES: dict[str, Callable[[Services, Comparisons, MethodsQuery], Table]] = {
    "leaderboard": leaderboard,
    "agreement": agreements,
    "disputes": disputed,
    "receipts": receipts,
}
