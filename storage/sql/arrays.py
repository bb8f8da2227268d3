"""Rows that hold long arrays of numbers, past SQLAlchemy: each a vector, without a Python number for every element.
DuckDB gives them through Arrow, PostgreSQL in its binary format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from headscope.storage.sql.columns import executed

AS_TEXT: Mapping[type[Any], Callable[[str], Any]] = {sa.JSON: json.loads, sa.Uuid: UUID}
"""What Arrow has no type for comes as text."""


def rows(connection: Connection, query: sa.Select[Any], at_once: int) -> Iterator[list[dict[str, Any]]]:
    """The rows of a query, `at_once` at a time, by the names of its columns. Arrays of reals are float32 vectors, of
    doubles float64 ones, NaN where an element is NULL; None for no array."""
    if connection.dialect.name == "duckdb":
        read = {column.name: as_text for column in query.selected_columns for kind, as_text in AS_TEXT.items()
                if isinstance(column.type, kind)}  # fmt: skip
        with closing(executed(connection, query)) as cursor:  # else the next statement looks for rows that are left
            for batch in cursor.fetch_record_batch(at_once):
                yield _of_batch(batch, read)
        return
    from headscope.storage.sql.postgres_arrays import LOADERS  # psycopg comes with PostgreSQL's extra only

    cursor = executed(connection, query, binary=True, loaders=LOADERS)
    names = [column.name for column in cursor.description]
    while found := cursor.fetchmany(at_once):
        yield [dict(zip(names, row, strict=True)) for row in found]


def _of_batch(batch: Any, read: Mapping[str, Callable[[str], Any]]) -> list[dict[str, Any]]:
    columns: dict[str, list[Any]] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        value_type = str(getattr(column.type, "value_type", ""))
        columns[name] = _vectors(column) if value_type in {"float", "double"} else column.to_pylist()
        if name in read:
            columns[name] = [None if value is None else read[name](value) for value in columns[name]]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _vectors(column: Any) -> list[NDArray[np.floating[Any]] | None]:
    ends = np.cumsum(column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
    pieces = np.split(column.flatten().to_numpy(zero_copy_only=False), ends[:-1])
    return [piece if there else None for piece, there in zip(pieces, column.is_valid().to_pylist(), strict=True)]
