"""Many rows at once: Arrow and INSERT SELECT on DuckDB, binary COPY on PostgreSQL."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.storage.sql.postgres import copy_rows

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL has no NUL, UTF-8 no lone surrogates
BATCH = "headscope_batch"


def storable(text: str) -> str:
    """The text with NUL shown as U+2400 and lone surrogates as U+FFFD, both one character as before."""
    if UNSTORABLE.search(text) is None:
        return text
    return UNSTORABLE.sub(lambda found: "\u2400" if found[0] == "\x00" else "\ufffd", text)


def plain(value: Any) -> Any:
    """A value as JSON can hold it: NaN and infinities become None, arrays lists, other objects their text."""
    if isinstance(value, Mapping):
        return {storable(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return storable(str(value))


def insert(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`; a column missing from all of them stays NULL."""
    if not rows:
        return
    names = [column.name for column in table.columns if any(column.name in row for row in rows)]
    columns = {name: [_value(table.c[name].type, row.get(name)) for row in rows] for name in names}
    if connection.dialect.name == "duckdb":
        _insert_arrow(connection, table, columns)
    else:
        copy_rows(connection, table, columns)


def _value(kind: sa.types.TypeEngine[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, sa.JSON):
        return plain(value)
    if isinstance(kind, sa.String):
        return storable(value)
    if isinstance(kind, sa.ARRAY) and isinstance(kind.item_type, sa.String):
        return value if UNSTORABLE.search("".join(value)) is None else [storable(item) for item in value]
    return value


def arrow_type(kind: sa.types.TypeEngine[Any]) -> pa.DataType:
    """The Arrow type a column of this type travels as."""
    if isinstance(kind, sa.ARRAY):
        return pa.list_(arrow_type(kind.item_type))
    simple: tuple[tuple[Any, Callable[[], pa.DataType]], ...] = (
        (sa.BigInteger, pa.int64),
        (sa.Integer, pa.int32),
        (sa.Boolean, pa.bool_),
        (sa.REAL, pa.float32),
        (sa.Double, pa.float64),
        (sa.DateTime, lambda: pa.timestamp("us")),
    )
    return next((make() for base, make in simple if isinstance(kind, base)), pa.string())


def _insert_arrow(connection: Connection, table: sa.Table, columns: dict[str, list[Any]]) -> None:
    arrays = {}
    for name, values in columns.items():
        kind = table.c[name].type
        if isinstance(kind, sa.Uuid | sa.JSON):
            write = str if isinstance(kind, sa.Uuid) else json.dumps
            values = [None if value is None else write(value) for value in values]  # noqa: PLW2901
        arrays[name] = pa.array(values, arrow_type(kind))
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.register(BATCH, pa.table(arrays))
    try:
        names = ", ".join(f'"{name}"' for name in columns)
        connection.exec_driver_sql(f'INSERT INTO "{table.name}" ({names}) SELECT {names} FROM {BATCH}')
    finally:
        raw.unregister(BATCH)
