"""Arrow tables as CSV, JSON and Parquet: exact values, nothing reformatted."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from headscope.analysis.errors import UnknownNameError

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
    header = ",".join(_quoted(pa.array(flat.column_names, pa.large_string())).to_pylist())
    columns = [_quoted(column.combine_chunks().cast(pa.large_string())) for column in flat.columns]
    lines = pc.binary_join_element_wise(*columns, _text(","), null_handling="replace") if columns else pa.array([])
    return "".join(f"{line}\n" for line in (header, *lines.to_pylist())).encode()


def _quoted(texts: pa.Array) -> pa.Array:
    """Quotes where a reader needs them: around separators, quotes, line breaks and spaces at an end, and around an
    empty text, which would be a NULL without them."""
    needed = pc.match_substring_regex(texts, r'[,"\r\n]|^$|^\s|\s$')
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(needed, pc.binary_join_element_wise(_text('"'), doubled, _text('"'), _text("")), texts)


def _text(value: str) -> pa.Scalar:
    return pa.scalar(value, pa.large_string())


def _plain(value: Any) -> Any:
    """JSON values: no NaN, no infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
