"""Keeping `head_sums` what the runs say, in the transaction that changes the runs.

A row is a part: those of the same runs and statistic add up. A writer takes the parts that are there
(DELETE ... RETURNING), adds its own runs and puts one row back; of two writers at once the second finds nothing to take
and leaves a part of its own for the next. So no run is counted twice or lost, and no key is put in again where it was
just deleted, which DuckDB refuses. Runs that go take no part with them (the least value cannot be subtracted): the sums
of theirs are made anew from the runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.storage import schema
from headscope.storage.columns import head_sums as columns
from headscope.storage.columns.head_sums import FIELDS, HeadSums, Measured, Scope
from headscope.storage.ids import new_id
from headscope.storage.read import head_arrays
from headscope.storage.sql import bulk

CHUNK = 500  # runs whose arrays are read at once
TABLE, R = schema.head_sums, schema.runs.c
SCOPE = (R.experiment_id, R.model_id, R.prompt_set_id)
TOLERANCE = 1e-9
"""Sums of the same numbers in another order differ by about 1e-16 of their size and step."""


def add(
    connection: Connection, rows: Mapping[str, Sequence[Mapping[str, Any]]], *, but: Collection[Scope] = ()
) -> None:
    """Count new runs in: their rows of `runs` and of the tables of arrays, as they were written. `but`: what was made
    anew since."""
    scopes = {row["id"]: Scope(*(row[column.name] for column in SCOPE)) for row in rows.get("runs", ())}
    params = {(row["run_id"], row["ordinal"]): row for row in rows.get("attributions", ())}
    found: dict[Scope, list[tuple[Measured, Any]]] = {}
    for row in rows.get("head_summaries", ()):
        found.setdefault(scopes[row["run_id"]], []).extend(columns.attention(row))
    for row in rows.get("attributions", ()):
        found.setdefault(scopes[row["run_id"]], []).extend(columns.scores(row))
    for row in rows.get("attribution_heads", ()):
        said = {name: params[row["run_id"], row["ordinal"]][name] for name in ("quantity", "params")}
        found.setdefault(scopes[row["run_id"]], []).append(columns.relevance({**row, **said}))
    for scope in sorted(found.keys() - set(but), key=str):
        _put(connection, scope, columns.summed(found[scope]))


def add_stored(connection: Connection, ids: Sequence[UUID], *, but: Collection[Scope] = ()) -> None:
    """Count in runs that SQL copied."""
    found: dict[Scope, list[UUID]] = {}
    for run_id, *scope in connection.execute(sa.select(R.id, *SCOPE).where(R.id.in_(ids))) if ids else ():
        found.setdefault(Scope(*scope), []).append(run_id)
    for place in sorted(found.keys() - set(but), key=str):
        _put(connection, place, stored(connection, found[place]))


def scopes_of(connection: Connection, ids: Collection[UUID]) -> set[Scope]:
    """Where runs are counted, if they have anything that is."""
    there = sa.or_(
        *(sa.exists().where(table.c.run_id == R.id) for table in (schema.head_summaries, schema.attributions))
    )
    found = connection.execute(sa.select(*SCOPE).distinct().where(R.id.in_(ids), there)).all()
    return {Scope(*row) for row in found}


def rebuild(connection: Connection, scopes: Collection[Scope]) -> None:
    """Make the sums of these runs anew. On PostgreSQL other writers of sums wait: a run that one of them writes is
    either there to be read or counted in by it later."""
    if scopes and connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"LOCK TABLE {TABLE.name} IN SHARE ROW EXCLUSIVE MODE"))
    for scope in sorted(scopes, key=str):
        connection.execute(sa.delete(TABLE).where(*_mine(TABLE.c, scope)))
        _insert(connection, scope, _of_scope(connection, scope))


def wrong(connection: Connection) -> list[Scope]:
    """Runs whose sums are not what their arrays say."""
    scopes = {Scope(*row) for row in connection.execute(sa.select(*SCOPE).distinct())}
    scopes |= {Scope(*row) for row in connection.execute(sa.select(*(TABLE.c[name] for name in Scope._fields)))}
    return [scope for scope in sorted(scopes, key=str) if not _right(connection, scope)]


def _right(connection: Connection, scope: Scope) -> bool:
    kept = connection.execute(sa.select(TABLE).where(*_mine(TABLE.c, scope))).mappings()
    found, expected = columns.merged(map(columns.read_row, kept)), _of_scope(connection, scope)
    return found.keys() == expected.keys() and all(_same(found[key], expected[key]) for key in expected)


def _same(one: HeadSums, other: HeadSums) -> bool:
    exact = all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in ("counts", "lows", "highs")
    )
    largest = np.fmax(np.abs(other.lows), np.abs(other.highs))
    scale = 1.0 + other.sizes + other.squares + np.nan_to_num(largest) * other.squares  # no less than any of the sums
    return exact and all(
        bool((np.abs(getattr(one, name) - getattr(other, name)) <= TOLERANCE * scale).all()) for name in FIELDS[1:5]
    )


def _of_scope(connection: Connection, scope: Scope) -> dict[Measured, HeadSums]:
    ids = connection.execute(sa.select(R.id).where(*_mine(R, scope)).order_by(R.id)).scalars().all()
    parts = (stored(connection, ids[start : start + CHUNK]) for start in range(0, len(ids), CHUNK))
    return columns.merged(item for part in parts for item in part.items())


def stored(connection: Connection, ids: Sequence[UUID]) -> dict[Measured, HeadSums]:
    """What the arrays of a few runs of one model add up to."""
    found = head_arrays.sums(connection, lambda column: column.in_(ids))
    return {key: sums for (_, key), sums in found.items()}


def _put(connection: Connection, scope: Scope, new: Mapping[Measured, HeadSums]) -> None:
    if not new:
        return
    names = {key.statistic for key in new}
    taken = sa.delete(TABLE).where(*_mine(TABLE.c, scope), TABLE.c.statistic.in_(names)).returning(TABLE)
    parts = [columns.read_row(row) for row in connection.execute(taken).mappings()]
    _insert(connection, scope, columns.merged([*parts, *new.items()]))


def _insert(connection: Connection, scope: Scope, sums: Mapping[Measured, HeadSums]) -> None:
    rows = [{"id": new_id(), **columns.row_of(scope, key, mine)} for key, mine in sums.items()]
    bulk.insert(connection, TABLE, rows)


def _mine(table: Any, scope: Scope) -> list[sa.ColumnElement[bool]]:
    return [table[name].is_not_distinct_from(value) for name, value in zip(Scope._fields, scope, strict=True)]
