"""GET /api/v1/bias/bias.csv | pairs.csv, with the page's query: the table of the Bias page as it is filtered and in its
order, or the pairs behind the link's row. The last column of every row is a sentence of method; unmeasured is empty.
Offensive texts: see `covered_export`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Flask, Response

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.statistics.effects import Effect
from headscope.dashboard.api import covered_export, csv_export
from headscope.dashboard.pages.bias.cards import APART, FILE, METHOD, PAIRS_FILE, SAID
from headscope.dashboard.pages.bias.lines import Line, all_lines, chosen, listed
from headscope.dashboard.pages.bias.query import BiasQuery, offences
from headscope.dashboard.services import Services
from headscope.dashboard.units import PAIR_UNITS
from headscope.storage.rows import Offences
from headscope.storage.rows.offensive import PROMPT

Row = dict[str, Any]


def register(server: Flask, services: Services) -> None:
    """Add the routes."""
    routes = Blueprint("bias_export", __name__, url_prefix="/api/v1/bias")

    @routes.get("/<name>")
    def export(name: str) -> Response:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        query = csv_export.asked(BiasQuery, covered_export.rest_of_query())
        rows = list(TABLES[name](services, query))
        said = f"{SAID[query.measure]} {METHOD}" + (f" {APART}" if query.beside_model else "")
        return csv_export.file(name, csv_export.with_method(rows, said))

    server.register_blueprint(routes)


def effects(services: Services, query: BiasQuery) -> Iterator[Row]:
    """A row per contrast. With other runs beside, the effect's columns are of the difference of both."""
    for line in listed(query, all_lines(services.store, query)):
        row = line.contrast
        yield {"model": row.model, "prompt_set": row.prompt_set, "attribute": row.attribute, "a": row.a, "b": row.b,
               "measure": query.measure, "unit": PAIR_UNITS[query.measure],
               **_beside(line, query), **_numbers(line.effect),
               "adjusted_p": line.adjusted_p, "marked": int(line.marked)}  # fmt: skip


def _beside(line: Line, query: BiasQuery) -> Row:
    if line.second is None:
        return {}
    here, there = line.contrast.effect, line.second.effect
    ends = ("mean", "low", "high")
    return {"other_experiment": query.other().experiment, "other_model": line.second.model,
            **{f"here_{end}": getattr(here, end) for end in ends},
            **{f"other_{end}": getattr(there, end) for end in ends}}  # fmt: skip


def _numbers(effect: Effect) -> Row:
    """As they are, with what they are over called by its name."""
    found = asdict(effect)
    names = {"n": "pairs", "groups": "wordings"}
    counts = {"below": effect.below}
    return {names.get(name, name): value for name, value in (found | counts).items()}


def pairs(services: Services, query: BiasQuery) -> Iterator[Row]:
    """A row per pair, the largest difference first."""
    line = chosen(services.store, query)
    if line is None:
        raise InputError(
            "the address names no row of the table: open one on the Bias page, and export its pairs there."
        )
    found = line.contrast.pairs
    other = {pair.pair_id: pair.difference for pair in line.second.pairs} if line.second else {}
    shown, why = covered_export.shown(), offences(services.store, found)
    for pair in found:
        row = {"a_group": line.contrast.a, "b_group": line.contrast.b, **asdict(pair)}
        offends = [part for run_id in (pair.a_run, pair.b_run) if (part := why.get(run_id, {}))]
        if not shown:
            row |= _covered(pair.a_run, pair.b_run, why)
        told = "; ".join(dict.fromkeys(map(covered_export.told, offends)))
        yield row | ({"other_difference": other[pair.pair_id]} if other else {}) | {covered_export.COLUMN: told}


def _covered(a_run: str, b_run: str, why: Offences) -> Row:
    """What stands in the place of a text that offends; the words of a pair are those of both its texts."""
    sides = {name: why.get(run_id, {}).get(PROMPT) for name, run_id in (("a", a_run), ("b", b_run))}
    said = {f"{name}_text": f"[covered: {offence.said}]" for name, offence in sides.items() if offence is not None}
    return said | {name: next(iter(said.values())) for name in SHARED if said}


SHARED: Sequence[str] = ("template", "wording", "filler")
TABLES = {FILE: effects, PAIRS_FILE: pairs}
