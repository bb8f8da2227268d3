"""GET /api/v1/compare/summary.csv | words.csv, with the page's query: a row for every run, or for every run, measure
and word of the first run. The last column of every row is a sentence of method; unmeasured is empty.

Words are those of A's text: where a text offends, words and texts are covered (see `covered_export`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, Flask, Response

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.dashboard.api import covered_export, csv_export
from headscope.dashboard.pages.compare.across_measures import MEASURES, Many, aligned_runs
from headscope.dashboard.pages.compare.cards import SUMMARY_FILE, WORDS_FILE
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.compare.summaries import of_words, summaries, summary_row
from headscope.dashboard.services import Services
from headscope.storage.rows import Offences

Row = dict[str, Any]
TEXTS = ("text", "target", "foil", "next_token", "divergent", "word")
METHOD = (
    "Words of the first run, matched to the tokens of the others that cover them; surprisal of the summary in bits per "
    "character of the words that all runs have; differences from the first run."
)


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("compare_export", __name__, url_prefix="/api/v1/compare")

    @routes.get("/<name>")
    def export(name: str) -> Response:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        query = csv_export.asked(CompareQuery, covered_export.rest_of_query())
        reader = RecentRuns(services.store, services.attention)
        many = aligned_runs(reader.many(query))
        if many is None:
            raise InputError("there is nothing to export: the address needs two runs, a and b, that have measurements.")
        why = services.store.offensive([run.row.id for run in many.runs])
        rows = _covered(TABLES[name](reader, query, many), why)
        return csv_export.file(f"compare-{name}", csv_export.with_method(rows, METHOD))

    server.register_blueprint(routes)


def _covered(found: Iterator[Row], why: Offences) -> Sequence[Row]:
    """Texts are aligned by their words: where one offends, no row says any."""
    told = "; ".join(dict.fromkeys(map(covered_export.told, why.values())))
    rows = [row | {covered_export.COLUMN: told} for row in found]
    if not why or covered_export.shown():
        return rows
    return [row | {name: f"[covered: {told}]" for name in TEXTS if row.get(name)} for row in rows]


def summary(reader: RecentRuns, query: CompareQuery, many: Many) -> Iterator[Row]:
    """A row a run."""
    yield from map(summary_row, summaries(reader, query, many))


def words(reader: RecentRuns, query: CompareQuery, many: Many) -> Iterator[Row]:
    """A row for every run, measure and word; of divergences what they are at most, too."""
    for measure in MEASURES:
        yield from of_words(reader, replace(query, across=measure, minus=False), many)


TABLES = {SUMMARY_FILE: summary, WORDS_FILE: words}
