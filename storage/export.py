"""Arrow tables as CSV, JSON and Parquet: exact values, nothing reformatted."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from analysis.errors import UnknownNameError

FORMATS = ("csv", "json", "parquet")
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}


def to_format(table: pa.Table, name: str) -> bytes:
    """The table as a file of format `csv`, `json` (a list of objects) or `parquet`.

    CSV holds arrays as JSON text; NaN becomes null in JSON, which knows no NaN. Raises UnknownNameError.
    """
    if name == "csv":
        return _csv(table)
    if name == "json":
        return (json.dumps([_plain(row) for row in table.to_pylist()], ensure_ascii=False, default=str) + "\n").encode()
    if name == "parquet":
        sink = io.BytesIO()
        pyarrow.parquet.write_table(table, sink, compression="zstd")
        return sink.getvalue()
    raise UnknownNameError("format", name, FORMATS)


def _csv(table: pa.Table) -> bytes:
    flat = table
    for index, column in enumerate(table.schema):
        if pa.types.is_nested(column.type):
            texts = [None if value is None else json.dumps(_plain(value), ensure_ascii=False, default=str)
                     for value in table.column(index).to_pylist()]  # fmt: skip
            flat = flat.set_column(index, column.name, pa.array(texts, pa.string()))
        elif pa.types.is_null(column.type):
            flat = flat.set_column(index, column.name, table.column(index).cast(pa.string()))
    sink = io.BytesIO()
    pyarrow.csv.write_csv(flat, sink, pyarrow.csv.WriteOptions(quoting_style="needed"))
    return sink.getvalue()


def _plain(value: Any) -> Any:
    """JSON values: no NaN, no infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
