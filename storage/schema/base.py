"""What the table definitions share: types and the columns many of them have."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    REAL,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.schema import SchemaItem

from headscope.analysis.types import RunStatus


class Plain(ARRAY[Any]):
    """An array that is read as the driver gives it, a list. DuckDB's numbers are what they should be, and to go through
    them once more, one by one, took as long as reading them."""

    cache_ok = True

    def result_processor(self, dialect: Any, coltype: object) -> Any:
        """Nothing is done."""


metadata = MetaData()
Json = JSON().with_variant(JSONB(), "postgresql")
Reals, Integers, Strings, Booleans, Doubles = (Plain(kind) for kind in (REAL, Integer, String, Boolean, Double))
STATUSES = tuple(status.value for status in RunStatus if status is not RunStatus.INTERRUPTED)


def id_column() -> Column[Any]:
    """UUIDv7 key."""
    return Column("id", Uuid, primary_key=True)


def run_id_column(*, key: bool = False) -> Column[Any]:
    """The run a row belongs to; `key` when there is one row per run."""
    return Column("run_id", Uuid, primary_key=key, nullable=False)


def text(name: str, *, nullable: bool = False) -> Column[Any]:
    """`String`, not `Text`: DuckDB reflects the latter as a difference."""
    return Column(name, String, nullable=nullable)


def table(name: str, *parts: SchemaItem) -> Table:
    """A table with a key `id`."""
    return Table(name, metadata, id_column(), *parts)


def table_of_runs(name: str, *parts: SchemaItem) -> Table:
    """A table whose key is the run, or begins with it."""
    return Table(name, metadata, run_id_column(key=True), *parts)


def required(kind: Any, *names: str) -> list[Column[Any]]:
    """Columns of one type that every row fills."""
    return [Column(name, kind, nullable=False) for name in names]


def optional(kind: Any, *names: str) -> list[Column[Any]]:
    """Columns of one type that may be NULL: unmeasured, or not there."""
    return [Column(name, kind) for name in names]


def texts(*names: str, nullable: bool = False) -> list[Column[Any]]:
    """Several of `text`."""
    return [text(name, nullable=nullable) for name in names]


def created_at() -> Column[Any]:
    """Moment of insertion, UTC."""
    return Column("created_at", DateTime, nullable=False)


def status_check(table: str) -> CheckConstraint:
    """Only the values of RunStatus."""
    allowed = ", ".join(f"'{status}'" for status in STATUSES)
    return CheckConstraint(f"status IN ({allowed})", name=f"ck_{table}_status")


def postgresql_index(name: str, *columns: str) -> Index:
    """Only on PostgreSQL: DuckDB scans columns faster than it keeps such an index."""
    return Index(name, *columns, info={"dialect": "postgresql"}).ddl_if(dialect="postgresql")
