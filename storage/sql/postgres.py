"""PostgreSQL's binary COPY, with numpy arrays written without a Python object per element."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

OIDS: tuple[tuple[Any, str, str], ...] = (
    (sa.BigInteger, "int8", "int8[]"),
    (sa.Integer, "int4", "int4[]"),
    (sa.Boolean, "bool", "bool[]"),
    (sa.REAL, "float4", "float4[]"),
    (sa.Double, "float8", "float8[]"),
    (sa.DateTime, "timestamp", "timestamp[]"),
    (sa.Uuid, "uuid", "uuid[]"),
    (sa.JSON, "jsonb", "jsonb[]"),
    (sa.String, "varchar", "varchar[]"),
)
FLOAT4, INT4, FLOAT4_ARRAY, INT4_ARRAY = 700, 23, 1021, 1007
DIMENSION = np.dtype([("dims", ">i4"), ("nulls", ">i4"), ("oid", ">u4"), ("length", ">i4"), ("lower", ">i4")])


def type_name(kind: Any) -> str:
    """PostgreSQL's name of a column's type."""
    is_array = isinstance(kind, sa.ARRAY)
    item = kind.item_type if is_array else kind
    return next(names[is_array] for base, *names in OIDS if isinstance(item, base))


def array_bytes(values: np.ndarray[Any, Any], oid: int, code: str) -> bytes:
    """The wire format of a one-dimensional array without NULLs."""
    header = np.array([(1 if len(values) else 0, 0, oid, len(values), 1)], dtype=DIMENSION).tobytes()
    if not len(values):
        return header[:12]
    body = np.empty(len(values), dtype=[("size", ">i4"), ("value", code)])
    body["size"], body["value"] = body.dtype["value"].itemsize, values
    return header + body.tobytes()


def nullable_int4(values: Sequence[int | None]) -> bytes:
    """The wire format of an integer array with NULLs."""
    header = np.array([(1, 1, INT4, len(values), 1)], dtype=DIMENSION).tobytes()
    items = (
        b"\xff\xff\xff\xff" if v is None else b"\x00\x00\x00\x04" + v.to_bytes(4, "big", signed=True) for v in values
    )
    return header + b"".join(items)


@functools.cache
def _dumpers() -> tuple[type[Any], type[Any]]:
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class Float4Array(Dumper):
        format, oid = Format.BINARY, FLOAT4_ARRAY

        def dump(self, obj: Any) -> bytes:
            return array_bytes(np.asarray(obj, dtype=np.float32), FLOAT4, ">f4")

    class Int4Array(Dumper):
        format, oid = Format.BINARY, INT4_ARRAY

        def dump(self, obj: Any) -> bytes:
            if isinstance(obj, list) and None in obj:
                return nullable_int4(obj)
            return array_bytes(np.asarray(obj, dtype=np.int32), INT4, ">i4")

    return Float4Array, Int4Array


def copy_rows(connection: Connection, table: sa.Table, columns: Mapping[str, Sequence[Any]]) -> None:
    """COPY columns of equal length into a table, inside the connection's transaction."""
    raw: Any = connection.connection.driver_connection
    names = ", ".join(f'"{name}"' for name in columns)
    with raw.cursor() as cursor:
        for dumper in _dumpers():
            cursor.adapters.register_dumper(np.ndarray, dumper)
        with cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN (FORMAT BINARY)') as copy:
            copy.set_types([type_name(table.c[name].type) for name in columns])
            for row in zip(*columns.values(), strict=True):
                copy.write_row(row)
