"""Downloads of the runs a link of the Runs page stands for: `/api/v1/runs/export.csv|json|parquet?<the same query>`.

Rows are streamed in the order they were stored, in the store's units (nats), columns named as in `v_runs`; nothing is
held but one block. With `sel` in the query only those runs are written. `covered_export` says what becomes of
offensive texts.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from flask import Blueprint, Flask, Response

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.dashboard.api import covered_export, csv_export
from headscope.dashboard.pages.runs.query import RunsQuery
from headscope.dashboard.services import Services
from headscope.dashboard.units import utc_iso
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import RUN_COLUMNS, Offence, RunRow, Sort

BLOCK = 5_000
OLDEST_FIRST = (Sort("created_at"),)
Blocks = Iterator[Sequence[RunRow]]
Rows = Iterator[Sequence[dict[str, Any]]]
KINDS: dict[str, pa.DataType] = {
    "created_at": pa.timestamp("us", tz="UTC"),
    "tags": pa.list_(pa.string()),
    **dict.fromkeys(("n_tokens", "target_rank"), pa.int64()),
    **dict.fromkeys(
        ("seconds", "mean_surprisal", "perplexity", "next_token_prob", "next_entropy", "target_logprob", "margin"),
        pa.float64(),
    ),
}
COLUMNS = (*RUN_COLUMNS, covered_export.COLUMN)
SCHEMA = pa.schema([(name, KINDS.get(name, pa.string())) for name in COLUMNS])


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("runs_export", __name__, url_prefix="/api/v1/runs")

    @routes.get("/export.<kind>")
    def export(kind: str) -> Response:
        if kind not in WRITERS:
            raise UnknownNameError("export format", kind, WRITERS)
        write, mimetype = WRITERS[kind]
        query = csv_export.asked(RunsQuery, covered_export.rest_of_query())
        shown = covered_export.shown()
        blocks = selected(services.store, query.sel) if query.sel else matching(services, query)
        headers = {
            "Content-Disposition": f'attachment; filename="headscope-runs.{kind}"',
            "Cache-Control": "no-store",
        }
        return Response(write(told(services.store, blocks, shown)), mimetype=mimetype, headers=headers)

    server.register_blueprint(routes)


def selected(store: RunReader, run_ids: Sequence[str]) -> Blocks:
    """The chosen runs, in the order chosen."""
    return iter([store.runs(run_ids)])


def matching(services: Services, query: RunsQuery) -> Blocks:
    """Blocks of every run that matches; the first is read at once, so that an error is still an answer.

    Raises InputError when there are more than `Settings.max_export_rows`.
    """
    where, limit = query.where(), services.settings.max_export_rows
    first = services.store.runs_page(where, OLDEST_FIRST, 0, BLOCK)
    if first.total > limit:
        raise InputError(
            f"{first.total:,} runs match, and an export holds at most {limit:,}: narrow the list, or use SQL."
        )

    def rest() -> Blocks:
        for offset in range(BLOCK, first.total, BLOCK):
            yield services.store.runs_page(where, OLDEST_FIRST, offset, BLOCK).rows

    return chain([first.rows], rest())


def told(store: RunReader, blocks: Blocks, shown: bool) -> Rows:
    """Every row by column, with why it is offensive; its offensive texts only if `shown`."""
    for rows in blocks:
        offences = store.offensive([row.id for row in rows])
        yield [by_column(row, offences.get(row.id, {}), shown=shown) for row in rows]


def by_column(row: RunRow, why: Mapping[str, Offence], *, shown: bool) -> dict[str, Any]:
    """A row, with what is offensive of it (`why`) covered unless `shown`."""
    written = row if shown else covered_export.cover(row, why)
    values = {name: getattr(written, name) for name in RUN_COLUMNS}
    return {**values, covered_export.COLUMN: covered_export.told(why) or None}


def write_csv(blocks: Rows) -> Iterator[bytes]:
    """RFC 4180 with a header; unmeasured is empty, tags are a JSON list."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for rows in blocks:
        writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc_iso(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, tuple) else value


def write_json(blocks: Rows) -> Iterator[bytes]:
    """A list of objects, one per line; unmeasured is null."""
    separator = "[\n"
    for rows in blocks:
        lines = []
        for row in rows:
            entry = {name: _plain(row[name]) for name in COLUMNS}
            lines.append(separator + json.dumps(entry, ensure_ascii=False))
            separator = ",\n"
        yield "".join(lines).encode()
    yield b"[]\n" if separator.startswith("[") else b"\n]\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc_iso(value)
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN has no JSON


def write_parquet(blocks: Rows) -> Iterator[bytes]:
    """One row group per block, typed as `SCHEMA`, zstd."""
    sink = Drain()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), SCHEMA, compression="zstd") as writer:
        for rows in blocks:
            table = pa.Table.from_pylist(list(rows), SCHEMA)
            writer.write_table(table)
            yield sink.take()
    yield sink.take()


class Drain(io.RawIOBase):
    """A write-only file whose bytes are taken as they come; `tell` counts them all, which Parquet's footer needs."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Keep a copy until it is taken."""
        part = bytes(data)
        self._parts.append(part)
        self._written += len(part)
        return len(part)

    def tell(self) -> int:
        """Bytes written so far, taken ones included."""
        return self._written

    def take(self) -> bytes:
        """What was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


WRITERS: dict[str, tuple[Callable[[Rows], Iterator[bytes]], str]] = {
    "csv": (write_csv, "text/csv; charset=utf-8"),
    "json": (write_json, "application/json"),
    "parquet": (write_parquet, "application/vnd.apache.parquet"),
}
