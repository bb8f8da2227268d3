"""Keeping `head_values`: what was measured of heads in a part of the runs, in the transaction that adds them. One head
of a million runs is looked at in these: the runs' own arrays lie far apart."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.storage import schema
from headscope.storage.columns import head_sums as columns
from headscope.storage.columns.head_sums import Measured
from headscope.storage.ids import new_id
from headscope.storage.read import filters, head_arrays
from headscope.storage.read.head_arrays import Value
from headscope.storage.rows import RunFilter
from headscope.storage.sql import arrays, bulk

CHUNK = 500  # runs whose arrays are read at once
TABLE = schema.head_values


def add(connection: Connection, ids: Collection[UUID]) -> None:
    """Of new runs, whose arrays are written: the values of those that are in the part."""
    drawn = sorted(filter(columns.in_part, ids))
    for start in range(0, len(drawn), CHUNK):
        values = _stored(connection, drawn[start : start + CHUNK])
        bulk.insert(connection, TABLE, [_row(value) for value in values])


def rebuild(connection: Connection, ids: Collection[UUID]) -> None:
    """Make the values of these runs anew."""
    if ids:
        connection.execute(sa.delete(TABLE).where(TABLE.c.run_id.in_(ids)))
    add(connection, ids)


def wrong(connection: Connection) -> list[UUID]:
    """Runs of the part whose values are not those of their arrays, and runs that are not in it and have some."""
    drawn = connection.execute(sa.select(schema.runs.c.id).where(*filters.clauses(RunFilter(sample=columns.PART))))
    ids = sorted({*drawn.scalars(), *connection.execute(sa.select(TABLE.c.run_id).distinct()).scalars()})
    return [run for start in range(0, len(ids), CHUNK) for run in _wrong(connection, ids[start : start + CHUNK])]


def _wrong(connection: Connection, ids: Sequence[UUID]) -> Iterator[UUID]:
    kept = _by_run(_kept(connection, ids))
    right = _by_run(value for value in _stored(connection, ids) if columns.in_part(value.run_id))
    return (run for run in ids if not _same(kept.get(run, {}), right.get(run, {})))


def _same(one: Mapping[Measured, Any], other: Mapping[Measured, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key], equal_nan=True) for key in one)


def _by_run(values: Iterator[Value]) -> dict[UUID, dict[Measured, Any]]:
    found: dict[UUID, dict[Measured, Any]] = {}
    for value in values:
        found.setdefault(value.run_id, {})[value.key] = value.scores
    return found


def _stored(connection: Connection, ids: Sequence[UUID]) -> Iterator[Value]:
    return (value for part in head_arrays.values(connection, lambda column: column.in_(ids)) for value in part)


def _kept(connection: Connection, ids: Sequence[UUID]) -> Iterator[Value]:
    query = sa.select(TABLE).where(TABLE.c.run_id.in_(ids))
    for rows in arrays.rows(connection, query, CHUNK):
        for row in rows:
            yield Value(row["run_id"], "", Measured(*(row[name] for name in Measured._fields)), row["scores"])


def _row(value: Value) -> dict[str, Any]:
    return {"id": new_id(), "run_id": value.run_id, **value.key._asdict(), "scores": value.scores.tolist()}
