"""A part of the runs, drawn once and kept: what is asked of them afterwards looks them up instead of hashing all."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.storage.read import counts, filters
from headscope.storage.rows import RunFilter
from headscope.storage.schema import runs
from headscope.storage.sql.expressions import InArray, ScansFor

Ids = str | None
"""Of the runs drawn, with commas between them; None for all runs."""

NOBODY = "0" * 32


def ids(connection: Connection, kept: counts.Counts, version: Hashable, where: RunFilter) -> Ids:
    """Which runs `where` draws; None where it asks for no part of them."""
    if not (where.parts or where.sample):
        return None
    return kept.get(("drawn", repr(where)), version, lambda: draw(connection, where))


def draw(connection: Connection, where: RunFilter) -> str:
    """The ids of all runs of a filter."""
    query = sa.select(runs.c.id).where(*filters.clauses(where)).order_by(runs.c.id)
    return written(connection.execute(query).scalars())


def written(found: Iterable[Any]) -> str:
    """Ids as one value: with commas between them, an id that no run has where there are none."""
    return ",".join(map(str, found)) or NOBODY


def clauses(connection: Connection, kept: counts.Counts, version: Hashable, where: RunFilter) -> list[filters.Clause]:
    """The filter: its conditions, or the runs that it draws."""
    drawn = ids(connection, kept, version, where)
    return filters.clauses(where) if drawn is None else among(runs.c.id, drawn)


def among(column: sa.ColumnElement[Any], drawn: Ids) -> list[filters.Clause]:
    """A column of ids is one of those drawn."""
    return [] if drawn is None else [InArray(column, drawn)]


def joined(column: sa.ColumnElement[Any], drawn: Ids) -> list[filters.Clause]:
    """Of a table that is joined to those drawn."""
    return [] if drawn is None else [ScansFor(column, drawn)]
