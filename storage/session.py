"""Opening databases: addresses, engines, connections, and what their errors mean to a user."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from headscope.analysis.errors import InputError, StorageError
from headscope.storage import owner

POOL_SIZE = 32
CONNECT_SECONDS = 10
DUCKDB_SETTINGS = {
    "enable_external_access": False,  # SQL reaches no file and no network; our own exports go through Arrow
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,  # no SELECT from a Python variable
    "checkpoint_threshold": "128MB",  # 16MB, the default, checkpoints at every other batch: saving was half as fast
    "lock_configuration": True,
}


class StoreHeld(StorageError):  # noqa: N818 - a state, not a fault
    """Another process has the DuckDB file open. `pid` and `what` (like `headscope serve`) where they are known."""

    def __init__(self, path: Path, pid: int | None, what: str | None) -> None:
        self.path, self.pid, self.what = path, pid, what
        holder = f"{what or 'another program'}{f' (process {pid})' if pid else ''}"
        super().__init__(
            f"{path} is held by {holder}, and one process at a time may open a DuckDB file. "
            "Wait until it ends or stop it; a running `headscope serve` takes work over by itself."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Crosses process borders whole."""
        return type(self), (self.path, self.pid, self.what)


def parse_url(url: str) -> URL:
    """`runs.duckdb`, `duckdb:///runs.duckdb` or `postgresql://user@host/database` as a SQLAlchemy URL.

    Raises InputError for any other form.
    """
    if "://" not in url:
        return _duckdb_url(Path(url))
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InputError(f"{url!r} is not a store's address: {error}") from error
    backend = parsed.get_backend_name()
    if backend == "duckdb":
        return _duckdb_url(Path(parsed.database or ""))
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise InputError(
        f"{backend!r} is no database Headscope can use: give a DuckDB file or postgresql://user@host/database."
    )


def _duckdb_url(path: Path) -> URL:
    if str(path) in {"", "."} or path.name == ":memory:":
        raise InputError("a store needs a file: give a path like runs.duckdb, or postgresql://user@host/database.")
    return URL.create("duckdb", database=str(path.expanduser().absolute()))


def database_path(url: str) -> Path | None:
    """The DuckDB file of a store's address (absolute), None for PostgreSQL."""
    parsed = parse_url(url)
    return Path(parsed.database or "") if parsed.drivername == "duckdb" else None


def is_ours(url: str) -> bool:
    """Whether this very process owns the DuckDB file."""
    path = database_path(url)
    holder = owner.read(path) if path is not None else None
    return holder is not None and holder.pid == os.getpid()


def shown(url: str) -> str:
    """The address without its password."""
    path = database_path(url)
    if path is not None:
        return str(path)
    return parse_url(url).set(drivername="postgresql").render_as_string(hide_password=True)


def open_engine(url: str, *, read_only: bool = False) -> Engine:
    """An engine whose pool gives every thread its own connection; nothing is opened yet.

    `read_only` applies to DuckDB and lets several processes read one file that nobody writes.
    """
    parsed = parse_url(url)
    if parsed.drivername == "duckdb":
        settings: dict[str, Any] = {**DUCKDB_SETTINGS, "threads": _cores()}
        engine = sa.create_engine(
            parsed,
            connect_args={"config": settings, "read_only": read_only},
            poolclass=sa.pool.QueuePool,
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
        )
        if not read_only:
            sa.event.listen(engine, "do_connect", _closed_to_others(Path(parsed.database or "")))
        return engine
    options = "-c jit=off -c timezone=UTC -c work_mem=64MB"
    connect = {"application_name": "headscope", "connect_timeout": CONNECT_SECONDS, "options": options}
    try:
        return sa.create_engine(
            parsed, connect_args=connect, pool_size=POOL_SIZE, max_overflow=POOL_SIZE, pool_pre_ping=True
        )
    except ImportError as error:
        raise StorageError(
            'PostgreSQL needs the psycopg driver, which is not installed: pip install "headscope[postgres]"'
        ) from error


def _closed_to_others(path: Path) -> Callable[..., None]:
    """Before DuckDB would make a file that everybody can read, one of this user's is put there. It takes no empty file,
    so a store without tables is made in a folder of ours and moved."""

    def make(*_: object) -> None:
        if path.exists():
            return
        with (
            contextlib.suppress(OSError, duckdb.Error),  # DuckDB meets the same at `path`, or finds a file there
            tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder,
        ):
            new = Path(folder) / path.name
            duckdb.connect(new).close()
            new.chmod(0o600)
            os.link(new, path)

    return make


def require(url: str) -> None:
    """Raise StorageError for a DuckDB file that is not there; opening it would make one."""
    path = database_path(url)
    if path is not None and not path.is_file():
        raise StorageError(f"there is no store at {path}: `headscope run --store {path} ...` makes one.")


def open_reader(url: str) -> Engine:
    """An engine to read with. Several processes may read a DuckDB file at once; in a process that has it open for
    writing, the reader shares that. Raises StorageError when there is no such file, or another process writes it."""
    if database_path(url) is None:
        return open_engine(url)
    require(url)
    engine = open_engine(url, read_only=True)
    try:
        engine.connect().close()
    except DBAPIError as error:
        engine.dispose()
        if "different configuration" not in str(error.orig):
            raise explain(error.orig or error, engine.url) from error
        return open_engine(url)
    return engine


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection with one consistent snapshot; database errors become StorageError."""
    with errors_of(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        else:
            yield connection


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is committed at the end, or undone by an error."""
    with errors_of(engine), engine.begin() as connection:
        yield connection


@contextlib.contextmanager
def errors_of(engine: Engine) -> Iterator[None]:
    """Say what a database's error means, without its stack and without the password."""
    try:
        yield
    except DBAPIError as error:
        raise explain(error.orig or error, engine.url) from error
    except SQLAlchemyError as error:
        raise explain(error, engine.url) from error
    except engine.dialect.loaded_dbapi.Error as error:  # from COPY, which goes past SQLAlchemy
        raise explain(error, engine.url) from error


def explain(error: BaseException, url: URL) -> StorageError:
    """The StorageError for a driver's error."""
    message = str(error).strip()
    if url.drivername == "duckdb":
        path = Path(url.database or "")
        if "Could not set lock" in message:
            held_by = re.search(r"PID (\d+)", message)
            note = None
            with contextlib.suppress(owner.NotBelieved):
                note = owner.read(path)
            pid = int(held_by.group(1)) if held_by else note.pid if note else None
            return StoreHeld(path, pid, note.what if note and note.pid == pid else None)
        return StorageError(f"the store {path} cannot be used: {message}")
    name = url.set(drivername="postgresql").render_as_string(hide_password=True)
    return StorageError(f"the store {name} cannot be used: {message}")


def is_conflict(error: BaseException) -> bool:
    """Whether two writers met and trying again may help."""
    cause = error.__cause__ if isinstance(error, StorageError) else error
    original = getattr(cause, "orig", cause)
    if getattr(original, "sqlstate", None) in {"40001", "40P01", "23505"}:  # serialisation, deadlock, same new key
        return True
    return bool(re.search(r"Conflict on|write-write conflict|duplicate key", str(original or "")))
