"""Reading jobs, by the view that says which of them were interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.types import RunStatus
from headscope.storage.ids import parse_id
from headscope.storage.job_owners import VIEW
from headscope.storage.rows import JobRow

RANKS = {RunStatus.INTERRUPTED: 0, RunStatus.CANCELLED: 0, RunStatus.RUNNING: 1, RunStatus.QUEUED: 1}
FACTS = ("experiment", "model", "total", "done", "failed", "cached", "error", "host", "pid")


def named(connection: Connection, name: str) -> JobRow:
    """The job with this id, or whose id begins like this, with its `spec`."""
    key = parse_id(name)
    begins = sa.cast(VIEW.c.id, sa.String).startswith(name.strip().lower(), autoescape=True)
    query = sa.select(VIEW).where(begins if key is None else VIEW.c.id == key).limit(2)
    found = connection.execute(query).mappings().all() if name.strip() else []
    if not found:
        raise UnknownNameError("job", name, (), "It is not in this store: `headscope jobs` lists those that are.")
    if len(found) > 1:
        raise InputError(f"several jobs begin with {name!r}: give more of the id (`headscope jobs` lists them).")
    return _row(found[0], found[0]["spec"])


def newest(connection: Connection, limit: int) -> tuple[JobRow, ...]:
    """The last jobs, newest first."""
    return _rows(connection, _facts().order_by(VIEW.c.id.desc()).limit(limit))


def unfinished(connection: Connection, limit: int) -> tuple[JobRow, ...]:
    """Jobs that did not succeed, in the order in which to go on with them."""
    rank = sa.case({status.value: rank for status, rank in RANKS.items()}, value=VIEW.c.status, else_=2)
    query = _facts().where(VIEW.c.status != RunStatus.SUCCEEDED.value)
    return _rows(connection, query.order_by(rank, VIEW.c.id.desc()).limit(limit))


def _facts() -> sa.Select[Any]:
    """Everything but `spec`, which holds every prompt."""
    return sa.select(*(column for column in VIEW.columns if column.name != "spec"))


def _rows(connection: Connection, query: sa.Select[Any]) -> tuple[JobRow, ...]:
    return tuple(_row(row, {}) for row in connection.execute(query).mappings())


def _row(row: Mapping[Any, Any], spec: Mapping[str, Any]) -> JobRow:
    return JobRow(
        id=str(row["id"]),
        status=RunStatus(row["status"]),
        created_at=row["created_at"].replace(tzinfo=UTC),
        finished_at=_moment(row["finished_at"]),
        updated_at=_moment(row["updated_at"]),
        spec=spec,
        **{name: row[name] for name in FACTS},
    )


def _moment(stored: datetime | None) -> datetime | None:
    return None if stored is None else stored.replace(tzinfo=UTC)
