"""GET /api/v1/heads/heads.csv, with the page's query: every statistic of every head of the model that the page shows.

The last column of every row is a sentence of method; unmeasured is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from flask import Blueprint, Flask, Response

from headscope.dashboard.api import csv_export
from headscope.dashboard.pages.heads.cards import HEADS_FILE, HOW
from headscope.dashboard.pages.heads.query import Heads, HeadsQuery, read
from headscope.dashboard.pages.heads.view import ends
from headscope.dashboard.services import Services
from headscope.storage.rows import HeadMeans

NUMBERS = ("mean", "mean_size", "sd", "skewness", "least", "largest")


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("heads_export", __name__, url_prefix="/api/v1/heads")

    @routes.get(f"/{HEADS_FILE}")
    def export() -> Response:
        heads = read(services.store, csv_export.asked(HeadsQuery))
        rows = [] if heads is None else [row for item in _items(heads) for row in _rows(heads, item)]
        return csv_export.file(HEADS_FILE, csv_export.with_method(rows, "" if heads is None else _method(heads)))

    server.register_blueprint(routes)


def _items(heads: Heads) -> Iterator[HeadMeans]:
    """Every statistic, and every other setting of a method."""
    yield from heads.stats.values()
    yield from (item for item in heads.others if item.model == heads.model)


def _rows(heads: Heads, item: HeadMeans) -> Iterator[dict[str, Any]]:
    low, high = ends(item)
    for layer, head in np.ndindex(item.mean.shape):
        cell = (layer, head)
        yield {
            "model": item.model,
            "statistic": item.statistic,
            "quantity": item.quantity,
            "params": item.params,
            "layer": layer,
            "head": head,
            "n": int(item.n[cell]),
            "low": float(low[cell]),
            "high": float(high[cell]),
            **{name: float(getattr(item, name)[cell]) for name in NUMBERS},
            "labels": "; ".join(label.rule.label for label in heads.labels.get(cell, [])),
        }


def _method(heads: Heads) -> str:
    left_out = f" The newest {heads.read:,} of {heads.total:,} runs." if heads.read else ""
    return f"{HOW} low, high: the interval of the mean. Labels are of the head, by rules over means.{left_out}"
