"""GET /api/v1/heads/heads.csv | labels.csv | models.csv, with the page's query: every statistic of every head of the
model that the page shows; the labels of the heads that its table lists, a row for each mean that one rests on; and
where the first two models that can be compared differ, head by head.

The last column of every row is a sentence of method; unmeasured is empty. No file has texts of prompts.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.statistics.head_labels import RULES
from headscope.dashboard.api import csv_export
from headscope.dashboard.pages.heads import view
from headscope.dashboard.pages.heads.beside import APART, difference, of_difference
from headscope.dashboard.pages.heads.cards import HEADS_FILE, HOW, LABELS_FILE, MODELS_FILE
from headscope.dashboard.pages.heads.models import models_of
from headscope.dashboard.pages.heads.query import Heads, HeadsQuery, read
from headscope.dashboard.pages.heads.rows import of_heads, of_labels
from headscope.dashboard.services import Services

Row = dict[str, Any]


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("heads_export", __name__, url_prefix="/api/v1/heads")

    @routes.get("/<name>")
    def export(name: str) -> Response:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        rows, method = TABLES[name](services, csv_export.asked(HeadsQuery))
        file = name if name == HEADS_FILE else f"heads-{name}"
        return csv_export.file(file, csv_export.with_method(rows, method))

    server.register_blueprint(routes)


def means(services: Services, query: HeadsQuery) -> tuple[list[Row], str]:
    """A row for every statistic and head."""
    heads = read(services.store, query)
    if heads is None:
        return [], ""
    said = f"{HOW} low, high: the interval of the mean. Labels are of the head, by rules over means.{_newest(heads)}"
    return [*of_heads(heads)], said


def labels(services: Services, query: HeadsQuery) -> tuple[list[Row], str]:
    """A row for every mean that a label of a listed head rests on, in the table's order."""
    if query.label and query.label not in {rule.label for rule in RULES}:
        known = ", ".join(rule.label for rule in RULES)
        raise InputError(f"nothing was exported: “{query.label}” is no label; there are {known}.")
    heads = read(services.store, query)
    if heads is None:
        return [], ""
    order = view.order(query, heads, heads.chosen(query))
    return [*of_labels(heads, order)], (
        "A label holds where the whole 95 % interval of every mean of its rule lies beyond the threshold: one row for "
        f"each of these means. {HOW}{_newest(heads)}"
    )


def differences(services: Services, query: HeadsQuery) -> tuple[list[Row], str]:
    """A row for every head of two models."""
    found = models_of(services.store, query)
    apart = difference(found, query.stat)
    if apart is None:
        names = ", ".join(heads.model for heads in found) or "none"
        raise InputError(
            f"there is nothing to compare: these runs have no two models with as many heads and {query.stat} measured "
            f"alike (measured of: {names})."
        )
    return [*of_difference(apart)], f"difference: the first minus the second. {APART}{_newest(apart.first)}"


def _newest(heads: Heads) -> str:
    return f" The newest {heads.read:,} of {heads.total:,} runs." if heads.read else ""


TABLES = {HEADS_FILE: means, LABELS_FILE: labels, MODELS_FILE: differences}
