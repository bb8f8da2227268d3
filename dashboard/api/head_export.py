"""GET /api/v1/head/head.csv | head-runs.csv | head-labels.csv, with the query of a head's page, its `model` and its
`head` (as layer.head): every statistic of the head; what it is in every run that was read; and every rule with what was
measured for it. The last column of every row is a sentence of method; unmeasured is empty. Offensive prompts: see
`covered_export`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from flask import Blueprint, Flask, Response

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.statistics.head_labels import Bound
from headscope.dashboard.api import covered_export, csv_export
from headscope.dashboard.pages.heads.cards import HOW as OVER_RUNS
from headscope.dashboard.pages.heads.head_cards import LABELS_FILE, RUNS_FILE, holds, rules_of
from headscope.dashboard.pages.heads.one import HEAD_FILE, HOW, OneHead, find_head, rank_of
from headscope.dashboard.pages.heads.query import HeadQuery, unit_of
from headscope.dashboard.pages.heads.rows import ends
from headscope.dashboard.services import Services
from headscope.storage.rows import HeadMeans
from headscope.storage.rows.offensive import PROMPT

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """The prompt of a run, as `covered_export` covers it."""

    text: str


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("head_export", __name__, url_prefix="/api/v1/head")

    @routes.get("/<name>")
    def export(name: str) -> Response:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        query = csv_export.asked(HeadQuery, covered_export.rest_of_query())
        if query.cell is None or not query.model:
            raise InputError("the address names no head: it needs model=NAME and head=LAYER.HEAD, which count from 0.")
        one = find_head(services, query)
        if one is None:
            return csv_export.file(name, csv_export.with_method((), ""))
        make, method = TABLES[name]
        layer, head = one.cell
        this = {"model": one.heads.model, "layer": layer, "head": head}
        rows = [{**this, **row} for row in make(services, one)]
        return csv_export.file(name, csv_export.with_method(rows, f"{method}{_which(one)}"))

    server.register_blueprint(routes)


def statistics(_services: Services, one: OneHead) -> Iterator[Row]:
    """A row a statistic, as the page shows it."""
    if not one.lines:
        return
    means = one.means()
    labels = "; ".join(label.rule.label for label in one.heads.labels.get(one.cell, []))
    for i, line in enumerate(one.lines):
        known = line.values[np.isfinite(line.values)]
        place, heads = rank_of(line.item, one.cell) or (None, None)
        yield {
            **_what(line.item), "unit": unit_of(line.item.statistic), "n": len(known),
            "mean": float(means.mean[i]), "low": float(means.low[i]), "high": float(means.high[i]),
            "median": float(np.median(known)), "least": float(known.min()), "largest": float(known.max()),
            "place": place, "of_heads": heads, "labels": labels,
        }  # fmt: skip


def runs(services: Services, one: OneHead) -> Iterator[Row]:
    """A row for every run and statistic."""
    why = services.store.offensive(one.runs.run_id)
    shown = covered_export.shown()
    for i, (run_id, text) in enumerate(zip(one.runs.run_id, one.runs.text, strict=True)):
        parts = {part: offence for part, offence in why.get(run_id, {}).items() if part == PROMPT}
        said = text if shown else covered_export.cover(Said(text), parts).text
        for line in one.lines:
            yield {"run_id": run_id, "text": said, **_what(line.item), "value": float(line.values[i]),
                   covered_export.COLUMN: covered_export.told(parts)}  # fmt: skip


def labels(_services: Services, one: OneHead) -> Iterator[Row]:
    """A row for every mean that a rule is about."""
    for rule, label in rules_of(one):
        for bound in rule.bounds:
            yield {"label": rule.label, "holds": holds(rule, label, one), **_measured(bound, one)}


def _what(item: HeadMeans) -> Row:
    return {"statistic": item.statistic, "quantity": item.quantity, "params": item.params}


def _measured(bound: Bound, one: OneHead) -> Row:
    item = one.heads.stats.get(bound.statistic)
    row: Row = {"statistic": bound.statistic, "n": None, "mean": None, "low": None, "high": None}
    if item is not None:
        low, high = (float(end[one.cell]) for end in ends(item))
        row |= {"n": int(item.n[one.cell]), "mean": float(item.mean[one.cell]), "low": low, "high": high}
    return row | {"asked": "above" if bound.above else "below", "threshold": bound.threshold}


def _which(one: OneHead) -> str:
    """Which runs are in these numbers, where they are not all."""
    n, total = len(one.runs.run_id), one.runs.total
    newest = f" Over all runs: the newest {one.heads.read:,} of {one.heads.total:,}." if one.heads.read else ""
    return newest + (f" Run by run: a fixed random sample, {n:,} of {total:,} runs." if n < total else "")


TABLES = {
    HEAD_FILE: (statistics, HOW),
    RUNS_FILE: (runs, "The head's value in every run that was read; what a run does not have is empty."),
    LABELS_FILE: (
        labels,
        "A label holds where the whole 95 % interval of every mean of its rule, over all runs, lies beyond the "
        f"threshold: one row for each of these means. {OVER_RUNS}",
    ),
}
