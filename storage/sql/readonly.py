"""One read-only SQL statement from a user, run with a row limit and a time limit.

What is bounded: one statement, of a reading kind, in a read-only transaction, on a connection of its own, with no
access to files, extensions or the network (DuckDB), stopped after `timeout`. What is not: a DuckDB statement may still
use much memory before the timer stops it, which is why a DuckDB store serves one local user; on PostgreSQL the boundary
is what the connecting role is granted.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from headscope.analysis import bounds
from headscope.analysis.errors import InputError, StorageError
from headscope.storage import session
from headscope.storage.served import UUID_MARK

MAX_BYTES = 2**30
MOST_ROWS = 2**31
CHUNK_ROWS = 10_000
RING_SECONDS = 0.2
READING_KINDS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
READING_WORDS = {"select", "with", "values", "table", "explain", "show"}
FORBIDDEN_FUNCTIONS = re.compile(
    r"\b(lo_\w+|set_config|pg_advisory\w*|pg_notify|pg_logical_emit_message|query_to_xml\w*|table_to_xml\w*"
    r"|cursor_to_xml\w*|pg_(?:terminate|cancel)_backend|pg_read_\w+|pg_ls_\w+|dblink\w*|pg_reload_conf|pg_sleep\w*)"
    r"\"?(?:\s|/\*.*?\*/|--[^\n]*\n)*\(|(U&\")",  # also quoted, commented, or spelled in escapes
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class SqlResult:
    """Rows as an Arrow table; `truncated` when the row or size limit cut it; wall time in seconds."""

    table: pa.Table
    truncated: bool
    seconds: float


def run(
    url: str, statement: str, *, limit: int = 100_000, timeout: float = 60.0, values: Sequence[Any] = ()
) -> SqlResult:
    """Run one reading statement; `values` are its positional parameters (DuckDB only, where servers take them).

    Raises InputError (kind `sql`) for what is not one reading statement, or is wrong SQL; StorageError when the store
    cannot be opened or the time is up. `limit` from 1 to MOST_ROWS; `timeout` more than 0, at most an hour.
    """
    bounds.text("statement", statement)
    bounds.whole("limit", limit, 1, MOST_ROWS)
    bounds.seconds("timeout", timeout)
    started = time.monotonic()
    if session.database_path(url) is not None:
        reader = _duckdb(url, statement, timeout, values)
    elif not values:
        reader = _postgres(url, statement, timeout)
    else:
        raise InputError("parameters are bound on DuckDB stores only: connect to PostgreSQL itself.", kind="sql")
    with contextlib.closing(reader):
        table, truncated = _collect(reader, limit)
    return SqlResult(table, truncated, time.monotonic() - started)


def _collect(reader: Iterator[pa.Table], limit: int) -> tuple[pa.Table, bool]:
    """The first chunk always comes, if only for its schema."""
    chunks, rows, size = [], 0, 0
    for chunk in reader:
        chunks.append(chunk.slice(0, limit - rows))
        rows, size = rows + len(chunk), size + chunk.nbytes
        if rows > limit or size > MAX_BYTES:
            return _joined(chunks), True
    return _joined(chunks), False


def _joined(chunks: list[pa.Table]) -> pa.Table:
    """Only types that were guessed by chunk (PostgreSQL) need promotion, which cannot be done with equal names."""
    same = all(chunk.schema == chunks[0].schema for chunk in chunks)
    return pa.concat_tables(chunks, promote_options="none" if same else "permissive")


@contextlib.contextmanager
def _timer(seconds: float, stop: Callable[[], None]) -> Iterator[threading.Event]:
    """Calls `stop` when the time is up, and again until it worked: between two statements there is nothing to stop.
    The event says whether the time was up."""
    over, done = threading.Event(), threading.Event()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            over.set()
            stop()
            wait = RING_SECONDS

    watcher = threading.Thread(target=watch, name="headscope-sql-timer", daemon=True)
    watcher.start()
    try:
        yield over
    finally:
        done.set()
        watcher.join(RING_SECONDS)  # a stop on its way must not meet what comes next


def _duckdb(url: str, statement: str, timeout: float, values: Sequence[Any]) -> Generator[pa.Table, None, None]:
    with _connect_duckdb(url) as connection, _timer(timeout, connection.driver_connection.interrupt) as over:
        cursor = connection.cursor()
        try:
            _one_reading_statement(connection.driver_connection, statement)
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            cursor.execute(statement, list(values))
            with contextlib.closing(cursor.to_arrow_reader(CHUNK_ROWS)) as reader:
                schema = _marked(reader.schema, cursor.description)
                yield schema.empty_table()
                for batch in reader:
                    yield pa.Table.from_arrays(batch.columns, schema=schema)
        except (duckdb.Error, pa.ArrowException) as error:
            raise _refused(error, over, timeout) from error


def _marked(schema: pa.Schema, description: Sequence[Sequence[Any]]) -> pa.Schema:
    """Ids are text to Arrow: it is told which texts are."""
    found = [field.with_metadata(UUID_MARK) if str(column[1]) == "UUID" else field
             for field, column in zip(schema, description, strict=True)]  # fmt: skip
    return pa.schema(found)


def _one_reading_statement(connection: Any, statement: str) -> None:
    """Parsing alone may read files (IMPORT DATABASE) and fetch extensions: the store's locked connection must do it."""
    found = connection.extract_statements(statement)
    if len(found) != 1:
        raise InputError(f"one statement at a time, this is {len(found)}.", kind="sql")
    if found[0].type not in READING_KINDS:
        raise InputError(
            f"only reading statements are run here (SELECT, WITH, VALUES, DESCRIBE, SHOW, EXPLAIN), not "
            f"{found[0].type.name}.",
            kind="sql",
        )


@contextlib.contextmanager
def _connect_duckdb(url: str) -> Iterator[Any]:
    """Read-only, so that many may read at once; a process that has the file open already shares its own instance."""
    session.require(url)
    engine = session.open_engine(url, read_only=True)
    try:
        connection = engine.raw_connection()
    except duckdb.ConnectionException:  # this process has it open for writing
        engine = session.open_engine(url)
        connection = engine.raw_connection()
    except duckdb.Error as error:
        raise session.explain(error, engine.url) from error
    try:
        yield connection
    finally:
        connection.invalidate()
        engine.dispose()


def _refused(error: Exception, over: threading.Event, timeout: float) -> Exception:
    if over.is_set():
        return StorageError(f"the statement was stopped after {timeout:g} s: narrow it down, or allow more time.")
    return InputError(str(error).strip(), kind="sql")


def _postgres(url: str, statement: str, timeout: float) -> Generator[pa.Table, None, None]:
    import psycopg

    word = re.match(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(\w+)", statement, re.DOTALL)
    if word is None or word[1].lower() not in READING_WORDS:
        raise InputError(
            "only reading statements are run here (SELECT, WITH, VALUES, TABLE, SHOW, EXPLAIN), not "
            f"{word[1].upper() if word else 'an empty one'}.",
            kind="sql",
        )
    if forbidden := FORBIDDEN_FUNCTIONS.search(statement):
        raise InputError(
            f"{forbidden[1] or forbidden[2]} may do more than read, so it is not allowed here.", kind="sql"
        )
    try:
        address = session.parse_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(address, application_name="headscope sql", connect_timeout=session.CONNECT_SECONDS)
    except psycopg.Error as error:
        raise session.explain(error, session.parse_url(url)) from error
    with connection, _timer(timeout, connection.cancel_safe) as over:
        connection.read_only = True
        try:
            yield from _stream(connection, statement)
        except psycopg.Error as error:
            raise _refused(error, over, timeout) from error
        finally:
            connection.rollback()


def _stream(connection: Any, statement: str) -> Iterator[pa.Table]:
    """The extended protocol takes exactly one statement, and rows come as they are made."""
    cursor = connection.cursor()
    names: list[str] = []
    rows: list[tuple[Any, ...]] = []
    stream = cursor.stream(statement)
    with contextlib.closing(stream):
        for row in stream:
            names = names or _distinct([column.name for column in cursor.description])
            rows.append(row)
            if len(rows) == CHUNK_ROWS:
                yield _table(names, rows)
                rows = []
    if not names:
        names = _described(connection, statement)
    yield _table(names, rows)


def _described(connection: Any, statement: str) -> list[str]:
    """Column names of a statement that gave no row, which a stream does not tell."""
    connection.pgconn.prepare(b"headscope", statement.encode())
    described = connection.pgconn.describe_prepared(b"headscope")
    return _distinct([described.fname(index).decode() for index in range(described.nfields)])


def _distinct(names: list[str]) -> list[str]:
    """Arrow wants every column to have its own name: `count`, `count_1`."""
    return [
        f"{name}_{names[:index].count(name)}" if name in names[:index] else name for index, name in enumerate(names)
    ]


def _table(names: list[str], rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    return pa.table([_column(column) for column in columns], names=names)


def _column(values: tuple[Any, ...]) -> pa.Array:
    plain = [str(value) if isinstance(value, uuid.UUID) else value for value in values]
    try:
        return pa.array(plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):  # JSON and rarer types
        return pa.array([None if value is None else str(value) for value in plain])
