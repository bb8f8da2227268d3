"""GET /api/v1/blackbox/parts.csv, with the page's query: what each part of each prompt is worth, by the page's measure
and in its order; tests.csv: the tests of answers. The last column of every row is a sentence of method; unmeasured is
empty. Offensive texts: see `covered_export`; tests.csv has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Flask, Response

from headscope.dashboard.api import covered_export, csv_export
from headscope.dashboard.pages.blackbox.answers import TESTS_FILE
from headscope.dashboard.pages.blackbox.query import BlackBoxQuery, studied, tested
from headscope.dashboard.pages.blackbox.view import PARTS_FILE, UNITS
from headscope.dashboard.services import Services
from headscope.storage.rows import FindingRow, Offence
from headscope.storage.rows.offensive import PROMPT

ARRAYS = ("score", "low", "high", "rank", "rank_low", "rank_high")
HEAD = ("run_id", "model", "prompt_set", "prompt_key", "text", "position", "part", "becomes", "measure", "unit",
        *ARRAYS, "exact", "changed_prompts", "not_asked", "only_bounded", covered_export.COLUMN, "method")  # fmt: skip
TESTS_HEAD = (
    "model",
    "test",
    "of_what",
    "value",
    "low",
    "high",
    "unit",
    "answers",
    "questions",
    "runs_against",
    "method",
)
METHOD = (
    "Shapley value of the part in the game of changed prompts: its mean effect over orders in which parts are put "
    "back; 95 % bootstrap intervals of score and rank over pairs of orders, not over prompts. Exact: all orders."
)

MOST = 100_000
"""Runs in a file; of more it says so."""


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("blackbox_export", __name__, url_prefix="/api/v1/blackbox")

    @routes.get(f"/{PARTS_FILE}")
    def parts() -> Response:
        query = csv_export.asked(BlackBoxQuery, covered_export.rest_of_query())
        return csv_export.file(PARTS_FILE, csv_export.written(HEAD, _rows(services, query)))

    @routes.get(f"/{TESTS_FILE}")
    def tests() -> Response:
        found, _, _ = tested(services.store, csv_export.asked(BlackBoxQuery))
        rows = [(one.model, row.test, row.subset, row.value, row.low, row.high, row.unit, row.n, row.of,
                 len(row.against), row.method) for one in found for row in one.rows]  # fmt: skip
        return csv_export.file(TESTS_FILE, csv_export.written(TESTS_HEAD, rows))

    server.register_blueprint(routes)


def _rows(services: Services, query: BlackBoxQuery) -> Iterator[list[Any]]:
    found = studied(services.store, query, MOST)
    why = services.store.offensive([row.run_id for row in found.rows])
    shown = covered_export.shown()
    left = f" A fixed random sample: {len(found.rows):,} of {found.total:,} runs." * (len(found.rows) < found.total)
    for row in found.rows:
        offends = why.get(row.run_id, {})
        for line in _parts(row, query.measure, offends, None if shown else offends.get(PROMPT)):
            yield [*line, METHOD + left]


def _parts(row: FindingRow, measure: str, offends: Mapping[str, Offence], cover: Offence | None) -> Iterator[list[Any]]:
    """A row per part; none where the measure could not be taken. cover: what stands in the place of the texts."""
    evidence: Mapping[str, Any] = row.evidence or {}
    told = evidence.get("measures", {}).get(measure)
    parts = evidence.get("parts", ()) if told else ()
    become = evidence.get("become") or [None] * len(parts)
    counts = [int(bool(evidence.get("exact"))), evidence.get("coalitions"), evidence.get("saved"),
              evidence.get("censored")]  # fmt: skip
    for i, part in enumerate(parts):
        texts = [row.text, i, part, become[i]]
        if cover is not None:
            said = f"[covered: {cover.said}]"
            texts = [said, i, said, said]
        numbers = [told[name][i] for name in ARRAYS]
        if numbers[0] is None:  # never taken out: it has no rank either
            numbers = [None] * len(ARRAYS)
        whose = (row.run_id, row.model, row.prompt_set, row.prompt_key)
        yield [*whose, *texts, measure, UNITS[measure], *numbers, *counts, covered_export.told(offends)]
