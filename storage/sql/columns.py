"""Many rows as columns, past SQLAlchemy: on DuckDB through Arrow, which makes no tuple of each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def read_columns(connection: Connection, query: sa.Select[Any]) -> list[Sequence[Any]]:
    """A column of plain values for each column of the query; none at all without rows, maybe."""
    made = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    cursor: Any = connection.connection.cursor()
    if connection.dialect.name != "duckdb":
        cursor.execute(str(made), made.params)  # SQLAlchemy's rows take a third longer
        return list(zip(*cursor.fetchall(), strict=True))
    cursor.execute(str(made), [made.params[name] for name in made.positiontup or ()])
    return [column.to_pylist() for column in cursor.to_arrow_table().columns]
