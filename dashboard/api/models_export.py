"""GET /api/v1/models/summary.csv | calibration.csv | flips.csv, with the page's query: the tables of the Models page,
all flips and not a page of them. The last column of every row is a sentence of method; unmeasured is empty.
Offensive texts: see `covered_export`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Flask, Response

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.statistics.model_rows import as_row, model_rows
from headscope.dashboard.api import covered_export, csv_export
from headscope.dashboard.pages.models.cards import CALIBRATION_FILE, FLIPS_FILE, SUMMARY_FILE
from headscope.dashboard.pages.models.query import ModelsQuery, facets_of, resolved
from headscope.dashboard.pages.models.rows import of_bins
from headscope.dashboard.services import Services

Row = dict[str, Any]
MATCHED = (
    "Over the prompts that both models ran with the same id, text, target and foil, the newest run of each, counted by "
    "the database; difference: the second minus the first; 95 % intervals."
)
MOST = 100_000
"""Flips in a file."""


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("models_export", __name__, url_prefix="/api/v1/models")

    @routes.get("/<name>")
    def export(name: str) -> Response:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        query = csv_export.asked(ModelsQuery, covered_export.rest_of_query())
        query = resolved(query, facets_of(services.store, query))
        if query.same or not query.beside_model:
            raise InputError("the address names one model only: choose two on the Models page, and export there.")
        rows = list(TABLES[name](services, query))
        head = ["first_model", "second_model", *(rows[0] if rows else ()), "method"]
        lines = ([*query.names, *row.values(), _method(row)] for row in rows)
        return csv_export.file(f"models-{name}", csv_export.written(head, lines))

    server.register_blueprint(routes)


def _method(row: Row) -> str:
    own = row.pop("method", "")
    return f"{own[:1].upper()}{own[1:]}. {MATCHED}" if own else MATCHED


def summary(services: Services, query: ModelsQuery) -> Iterator[Row]:
    """A row a measure."""
    found = services.store.models_beside(query.sides())
    yield from map(as_row, model_rows(found.measured, found.cells))


def calibration(services: Services, query: ModelsQuery) -> Iterator[Row]:
    """A row a bin of each model's stated probabilities."""
    return of_bins(query.names, services.store.models_beside(query.sides()).cells)


def flips(services: Services, query: ModelsQuery) -> Iterator[Row]:
    """A row a prompt, the largest change of margin first."""
    found = services.store.flips(query.sides(), query.which, 0, MOST)
    why = services.store.offensive([run for row in found for run in (row.first_run, row.second_run)])
    shown = covered_export.shown()
    for row in found:
        parts = {**why.get(row.second_run, {}), **why.get(row.first_run, {})}
        said = asdict(row if shown else covered_export.cover(row, parts))
        del said["partner"], said["partner_run"]
        yield said | {covered_export.COLUMN: covered_export.told(parts)}


TABLES = {SUMMARY_FILE: summary, CALIBRATION_FILE: calibration, FLIPS_FILE: flips}
