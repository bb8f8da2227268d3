"""Many rows as columns, past SQLAlchemy: on DuckDB through Arrow, on PostgreSQL as one long text of each column, which
takes half the time of a tuple of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

PARTED = "\x1e"
"""Between the texts of a column. A column in which one holds it, or is NULL, is read row by row."""
AT_ONCE = 4096
"""Rows in one text: PostgreSQL's longest is 1 GB."""


def read_columns(connection: Connection, query: sa.Select[Any]) -> list[Sequence[Any]]:
    """A column of plain values for each column of the query, whose names differ; none at all without rows, maybe."""
    if connection.dialect.name == "duckdb":
        cursor = executed(connection, query)
        return [column.to_pylist() for column in cursor.to_arrow_table().columns]
    found = executed(connection, _joined(query)).fetchall()
    counts = [row[0] for row in found]
    columns = [_parted(column, counts) for column in zip(*(row[1:] for row in found), strict=True)]
    if any(column is None for column in columns):
        return list(zip(*executed(connection, query).fetchall(), strict=True))
    return [column for column in columns if column is not None]


def executed(
    connection: Connection, query: sa.Select[Any], loaders: Mapping[int, type[Any]] | None = None, **options: Any
) -> Any:
    """The driver's own cursor, made with `options`, after the query. loaders: psycopg's, by number of type."""
    made = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    cursor: Any = connection.connection.cursor(**options)
    for number, loader in (loaders or {}).items():
        cursor.adapters.register_loader(number, loader)
    given = [made.params[name] for name in made.positiontup] if made.positiontup else made.params
    cursor.execute(str(made), given)
    return cursor


def _joined(query: sa.Select[Any]) -> sa.Select[Any]:
    """A row for every `AT_ONCE` rows of the query: how many they are, and each of its columns as one text or array."""
    rows = query.subquery("r")
    parts = sa.select(*rows.c, ((sa.func.row_number().over() - 1) / sa.literal(AT_ONCE)).label("part")).subquery("p")
    columns = [
        sa.func.string_agg(column, PARTED) if isinstance(column.type, sa.String) else sa.func.array_agg(column)
        for column in parts.c if column.name != "part"
    ]  # fmt: skip
    part = sa.cast(sa.func.floor(parts.c.part), sa.Integer())
    return sa.select(sa.func.count(), *columns).group_by(part).order_by(part)


def _parted(found: Sequence[str | list[Any] | None], counts: Sequence[int]) -> list[Any] | None:
    """The values of a column, None where they are more or fewer than the rows."""
    pieces = [part.split(PARTED) if isinstance(part, str) else part or [] for part in found]
    whole = all(len(piece) == count for piece, count in zip(pieces, counts, strict=True))
    return list(chain.from_iterable(pieces)) if whole else None
