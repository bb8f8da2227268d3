"""Many rows as columns: on DuckDB through Arrow, which makes no tuple of each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def read_columns(connection: Connection, query: sa.Select[Any]) -> list[Sequence[Any]]:
    """A column of plain values for each column of the query; none at all without rows, maybe."""
    if connection.dialect.name != "duckdb":
        return list(zip(*connection.execute(query).all(), strict=True))
    made = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    values = [made.params[name] for name in made.positiontup or ()]
    cursor: Any = connection.connection.cursor()
    cursor.execute(str(made), values)
    return [column.to_pylist() for column in cursor.to_arrow_table().columns]
