"""A run as a file: everything as JSON, its tokens as CSV or Parquet. Units stand in the column names.

GET /api/v1/runs/<id>/export.json | export.csv | export.parquet
"""

from __future__ import annotations

import json

import pyarrow as pa
from flask import Blueprint, Flask, Response

from headscope.analysis.errors import InputError
from headscope.analysis.types.receipts import standing
from headscope.dashboard.pages.run.tokens import token_view, usable
from headscope.dashboard.plain_json import plain
from headscope.dashboard.services import Services
from headscope.storage.export import to_format
from headscope.storage.rows import RunDetail

KINDS = {"json": "application/json", "csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


def register(server: Flask, services: Services) -> None:
    """Add the routes."""
    routes = Blueprint("export_api", __name__, url_prefix="/api/v1/runs/<run_id>")

    @routes.get("/export.<any(json, csv, parquet):kind>")
    def export(run_id: str, kind: str) -> Response:
        detail = services.store.run(run_id)
        response = Response(render(detail, kind), content_type=KINDS[kind])
        response.headers["Content-Disposition"] = f'attachment; filename="headscope-run-{detail.row.id}.{kind}"'
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    server.register_blueprint(routes)


def render(detail: RunDetail, kind: str) -> bytes:
    """The bytes of the file. Raises InputError for a table of a run without tokens."""
    if kind == "json":
        return json.dumps(plain(detail), ensure_ascii=False, indent=1, allow_nan=False).encode()
    table = token_table(detail)
    return to_format(table, kind)


def token_table(detail: RunDetail) -> pa.Table:
    """One row per token; unmeasured is null. Parquet carries run id, model and text as metadata."""
    if detail.trace is None:
        raise InputError("this run has no tokens to export (it failed); the JSON download has its reason.")
    chips = token_view(detail.trace, detail.attributions).tokens
    columns: dict[str, list[object]] = {
        "position": [chip.index for chip in chips],
        "token_id": [chip.ids[0] for chip in chips],
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
