"""One run, whole, from the tables that hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import RunStatus
from headscope.storage import schema
from headscope.storage.artifacts import COLUMNS, row_of
from headscope.storage.columns import arrays
from headscope.storage.columns import attributions as attribution_rows
from headscope.storage.columns import findings as finding_rows
from headscope.storage.columns import runs as run_columns
from headscope.storage.columns.models import model_of
from headscope.storage.ids import parse_id
from headscope.storage.rows import RUN_COLUMNS, ArtifactRow, RunDetail, RunRow

Ask = Callable[[Any], Sequence[Mapping[Any, Any]]]
"""Carries a select out: its rows by column, from a connection or through the server that holds the file."""


def detail(ask: Ask, run_id: str) -> RunDetail:
    """The run without the certificate of its model. Raises UnknownNameError when there is no such run."""
    runs, details, key = schema.runs, schema.run_details, parse_id(run_id)
    found = ask(sa.select(runs, details).join(details, details.c.run_id == runs.c.id).where(runs.c.id == key))
    if not found:
        raise UnknownNameError("run", run_id, (), "It is not in this store; it may have been replaced by a newer one.")
    row, models, capsules = found[0], schema.models, schema.capsules
    (model,) = ask(sa.select(models).where(models.c.id == row["model_id"]))
    (capsule,) = ask(sa.select(capsules.c.content).where(capsules.c.id == row["capsule_id"]))
    of = {name: _rows_of(ask, name, key) for name in (*arrays.ARRAY_TABLES, "failures", *finding_rows.TABLES)}
    return RunDetail(
        row=run_row(row),
        model=model_of(model),
        analyses=tuple(row["analyses"]),
        seed=row["seed"],
        capsule=capsule["content"],
        result_key=row["result_key"],
        target=arrays.target_of(row),
        trace=next(map(arrays.trace_of, of["token_traces"]), None),
        heads=next(map(arrays.heads_of, of["head_summaries"]), None),
        layers=next(map(arrays.layers_of, of["layer_summaries"]), None),
        lens=next(map(arrays.lens_of, of["layer_summaries"]), None),
        attributions=attribution_rows.attributions_of(
            *(of[name] for name in ("attributions", "attribution_receipts", "attribution_heads", "removal_curves"))
        ),
        continuation=next(map(arrays.continuation_of, of["continuations"]), None),
        artifacts=artifacts(ask, run_id),
        measured=tuple(map(arrays.measured_of, of["measured_arrays"])),
        missing=run_columns.missing_of(of["failures"]),
        findings=finding_rows.findings_of(*(of[name] for name in finding_rows.TABLES)),
    )


def artifacts(ask: Ask, run_id: str) -> tuple[ArtifactRow, ...]:
    """Which files hold more of the run."""
    table = schema.artifacts.c
    query = sa.select(*(table[name] for name in COLUMNS))
    return tuple(map(row_of, ask(query.where(table.run_id == parse_id(run_id)).order_by(table.kind))))


def run_row(row: Mapping[Any, Any]) -> RunRow:
    """A row of `runs` as it is shown."""
    values = {name: row[name] for name in RUN_COLUMNS}
    for name in ("id", "experiment_id", "model_id"):
        values[name] = str(values[name])
    values["status"] = RunStatus(values["status"])
    values["tags"] = tuple(values["tags"])
    values["created_at"] = utc(values["created_at"])
    return RunRow(**values)


def utc(moment: datetime) -> datetime:
    """A stored moment with its zone."""
    return moment.replace(tzinfo=UTC)


def _rows_of(ask: Ask, name: str, run_id: Any) -> Sequence[Mapping[Any, Any]]:
    table = schema.metadata.tables[name]
    return ask(sa.select(table).where(table.c.run_id == run_id).order_by(*table.primary_key.columns))
