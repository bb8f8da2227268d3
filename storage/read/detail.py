"""One run, whole, from the tables that hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
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

Row = Mapping[Any, Any]
Ask = Callable[[Any], Sequence[Row]]
"""Carries a select out: its rows by column, from a connection or through the server that holds the file."""

EVIDENCE = ("attribution_receipts", "attribution_heads", "removal_curves")
OF_RUNS = (*arrays.ARRAY_TABLES, "failures", "artifacts", *finding_rows.TABLES)


def detail(ask: Ask, run_id: str) -> RunDetail:
    """The run without the certificate of its model. Raises UnknownNameError when there is no such run."""
    for found in details(ask, [run_id]):
        return found
    raise UnknownNameError("run", run_id, (), "It is not in this store; it may have been replaced by a newer one.")


def details(ask: Ask, run_ids: Sequence[str], *, evidence: bool = True) -> tuple[RunDetail, ...]:
    """These runs without the certificates of their models, in the order asked; unknown ids are left out. Each table is
    asked once for all of them. evidence: with receipts and what else of attributions is not their scores."""
    runs, more = schema.runs, schema.run_details
    keys = [key for key in dict.fromkeys(map(parse_id, run_ids)) if key is not None]
    found = {row["id"]: row for row in ask(_each(sa.select(runs), runs.c.id, keys))} if keys else {}
    if not found:
        return ()
    rows = {
        row["run_id"]: {**found[row["run_id"]], **row} for row in ask(_each(sa.select(more), more.c.run_id, [*found]))
    }
    models = _by_id(ask, schema.models, {row["model_id"] for row in rows.values()})
    capsules = _by_id(ask, schema.capsules, {row["capsule_id"] for row in rows.values()})
    of = {name: _rows_of(ask, name, [*rows]) if evidence or name not in EVIDENCE else {} for name in OF_RUNS}
    return tuple(
        _detail(row, models[row["model_id"]], capsules[row["capsule_id"]], {name: of[name].get(key, []) for name in of})
        for key in keys
        if (row := rows.get(key))
    )


def _detail(row: Row, model: Row, capsule: Row, of: Mapping[str, Sequence[Row]]) -> RunDetail:
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
        artifacts=tuple(row_of(item) for item in sorted(of["artifacts"], key=lambda item: str(item["kind"]))),
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


def _by_id(ask: Ask, table: sa.Table, ids: Set[Any]) -> dict[Any, Row]:
    return {row["id"]: row for row in ask(sa.select(table).where(table.c.id.in_(ids)))}


def _rows_of(ask: Ask, name: str, run_ids: Sequence[Any]) -> dict[Any, list[Row]]:
    table = schema.metadata.tables[name]
    of = _each(sa.select(table), table.c.run_id, run_ids).subquery()
    found: dict[Any, list[Row]] = {}
    for row in ask(sa.select(of).order_by(*(of.c[column.name] for column in table.primary_key.columns))):
        found.setdefault(row["run_id"], []).append(row)
    return found


def _each(query: sa.Select[Any], column: sa.Column[Any], keys: Sequence[Any]) -> sa.CompoundSelect[Any]:
    """One SELECT for each: for a list of values DuckDB unpacks every column of all rows near any of them, twice and
    more the time. For some tens of keys."""
    return sa.union_all(*(query.where(column == key) for key in keys))
