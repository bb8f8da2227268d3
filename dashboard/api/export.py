"""A run as a file: everything as JSON, its tokens as CSV or Parquet. Units stand in the column names.

GET /api/v1/runs/<id>/export.json | export.csv | export.parquet

The JSON is what a run is computed again from: it has its texts, and its first line says when they are offensive. In the
tables they are blotted out unless the viewer shows them (`covered_export`, or the run uncovered on its page).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow as pa
from flask import Blueprint, Flask, Response

from headscope.analysis.errors import InputError
from headscope.analysis.types.receipts import standing
from headscope.dashboard.api import covered_export
from headscope.dashboard.blotted import blotted
from headscope.dashboard.covered import revealed
from headscope.dashboard.pages.run.tokens import token_view, usable
from headscope.dashboard.plain_json import plain
from headscope.dashboard.services import Services
from headscope.storage.export import to_format
from headscope.storage.rows import Offence, RunDetail

KINDS = {"json": "application/json", "csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


def register(server: Flask, services: Services) -> None:
    """Add the routes."""
    routes = Blueprint("export_api", __name__, url_prefix="/api/v1/runs/<run_id>")

    @routes.get("/export.<any(json, csv, parquet):kind>")
    def export(run_id: str, kind: str) -> Response:
        detail = services.store.run(run_id)
        why = services.store.offensive([run_id]).get(run_id, {})
        shown = covered_export.shown() or run_id in revealed()
        response = Response(render(detail, kind, why, shown=shown), content_type=KINDS[kind])
        response.headers["Content-Disposition"] = f'attachment; filename="headscope-run-{detail.row.id}.{kind}"'
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    server.register_blueprint(routes)


def render(detail: RunDetail, kind: str, why: Mapping[str, Offence], *, shown: bool) -> bytes:
    """The bytes of the file. why: what of the run is offensive; a table has it only if `shown`.

    Raises InputError for a table of a run without tokens.
    """
    if kind == "json":
        note = {"contains offensive text": covered_export.told(why)} if why else {}
        return json.dumps(note | plain(detail), ensure_ascii=False, indent=1, allow_nan=False).encode()
    table = token_table(detail if shown else blotted(detail, why))
    if why:
        table = table.append_column(covered_export.COLUMN, pa.array([covered_export.told(why)] * len(table)))
    return to_format(table, kind)


def token_table(detail: RunDetail) -> pa.Table:
    """One row per token; unmeasured is null. Parquet carries run id, model and text as metadata."""
    if detail.trace is None:
        raise InputError("this run has no tokens to export (it failed); the JSON download has its reason.")
    chips = token_view(detail.trace, detail.attributions).tokens
    columns: dict[str, list[object]] = {
        "position": [chip.index for chip in chips],
        "token_id": [chip.ids[0] if chip.ids[0] >= 0 else None for chip in chips],
        "token": [chip.text for chip in chips],
        "char_start": [chip.start for chip in chips],
        "char_end": [chip.end for chip in chips],
        "logprob_nats": plain([chip.logprob for chip in chips]),
        "surprisal_bits": plain([chip.surprisal for chip in chips]),
        "rank": [chip.rank for chip in chips],
        "entropy_before_bits": plain([chip.entropy for chip in chips]),
    }
    for item in usable(detail.attributions, len(chips)):
        columns[item.method] = plain([chip.scores[item.method] for chip in chips])
        if item.score_errors is not None and item.score_errors.shape == item.scores.shape:
            columns[f"{item.method}_error"] = plain([float(value) for value in item.score_errors])
        if item.receipt is not None:
            columns[f"{item.method}_verdict"] = [standing(item.receipt.verdict, item.outcome.converged).value] * len(
                chips
            )
        if item.outcome.converged is not None:
            columns[f"{item.method}_converged"] = [item.outcome.converged] * len(chips)
    metadata = {"run_id": detail.row.id, "model": detail.row.model, "text": detail.row.text}
    return pa.table(columns).replace_schema_metadata(metadata)
