"""An engine whose statements are run by the `headscope serve` that holds the file: what reads a store reads through it.

Every statement is a snapshot of its own; the server runs none that writes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from headscope.analysis.errors import HeadscopeError, InputError, StorageError
from headscope.storage.served import UUID_MARK, Server
from headscope.storage.sql import readonly
from headscope.storage.sql.readonly import MAX_BYTES

SECONDS = 3600.0
"""What is asked of a server, which wants limits."""
Row = tuple[Any, ...]


def open_engine(server: Server) -> Engine:
    """DuckDB's dialect over the server's API. Nothing is asked yet."""
    return sa.create_engine("duckdb://", creator=lambda: Connection(server), poolclass=sa.pool.NullPool)


class Connection:
    """A DB-API connection without transactions, as nothing is written."""

    autocommit = False

    def __init__(self, server: Server) -> None:
        self._server = server

    def cursor(self) -> Cursor:
        """As many as are wanted."""
        return Cursor(self._server)

    def begin(self) -> None:
        """Nothing to do; nor in the next three."""

    def commit(self) -> None:
        """See `begin`."""

    def rollback(self) -> None:
        """See `begin`."""

    def close(self) -> None:
        """See `begin`."""


class Cursor:
    """A DB-API cursor that has a whole result; of DuckDB's own, what readers use."""

    arraysize = 1
    rowcount = -1

    def __init__(self, server: Server) -> None:
        self._server = server
        self._table = pa.table({})
        self._rows: Iterator[Row] = iter(())

    @property
    def description(self) -> list[tuple[Any, ...]] | None:
        """Names; types are those of the values."""
        return [(name, *[None] * 6) for name in self._table.column_names] or None

    def execute(self, statement: str, parameters: Sequence[Any] | None = None, *_: Any) -> None:
        """Raises StorageError, also for a result that is too large to be sent."""
        try:
            found = self._server.sql(statement, parameters or (), limit=readonly.MOST_ROWS, timeout=SECONDS)
        except HeadscopeError as error:
            raise error if isinstance(error, StorageError | InputError) else StorageError(str(error)) from error
        self._table, truncated = found
        if truncated:
            raise StorageError(
                f"this is more than {MAX_BYTES / 2**30:g} GiB, the most that a server sends at once: ask for fewer "
                "rows or columns, or stop the server and open the store again."
            )
        self._rows = zip(*(_values(self._table, i) for i in range(self._table.num_columns)), strict=True)

    def fetchall(self) -> list[Row]:
        """The rows that were not fetched."""
        return list(self._rows)

    def fetchone(self) -> Row | None:
        """One more."""
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """Some more."""
        return list(islice(self._rows, size or self.arraysize))

    def to_arrow_table(self) -> pa.Table:
        """The whole result; ids as text."""
        return self._table

    def fetch_record_batch(self, size: int) -> pa.RecordBatchReader:
        """The whole result, at most `size` rows at a time."""
        batches = (batch for batch in self._table.to_batches(size) if len(batch))
        return pa.RecordBatchReader.from_batches(self._table.schema, batches)

    def close(self) -> None:
        """Forgets the result."""
        self._rows = iter(())


def _values(table: pa.Table, place: int) -> list[Any]:
    """A column as DuckDB's driver gives it: Arrow has ids as text, and whole numbers beyond 64 bits as decimals."""
    column, field = table.column(place), table.schema.field(place)
    values: list[Any] = column.to_pylist()
    if field.metadata == UUID_MARK:
        return [None if value is None else uuid.UUID(value) for value in values]
    if pa.types.is_decimal(field.type) and not field.type.scale:
        return [int(value) if isinstance(value, Decimal) else value for value in values]
    return values
