"""The store: one object that reads and writes, over DuckDB or PostgreSQL."""

from __future__ import annotations

import threading
from typing import Self

import sqlalchemy as sa

from migrations import api
from storage import artifacts, integrity, session
from storage.behaviour import BehaviourReader
from storage.counts import Counts
from storage.evidence import EvidenceReader
from storage.failures import FailureStore
from storage.job_owners import Heartbeat
from storage.queries import Reader
from storage.writer import Writer


class Store(Reader, EvidenceReader, BehaviourReader, FailureStore, Writer):
    """Implements `storage.interfaces.RunReader` and `ResultSink`. Open it with `Store.open`, use it from any thread."""

    def __init__(self, url: str, engine: sa.Engine, folder: artifacts.ArtifactFolder) -> None:
        self.url, self.engine, self.artifacts = url, engine, folder
        self._counts, self._groups, self._samples = Counts(512), Counts(8), Counts(8)
        self._write_lock = threading.Lock()
        self._heartbeat = Heartbeat(self._beat)

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Self:
        """Open a store; a new file or an empty database gets its tables, if to `create`. Jobs whose process is gone are
        given up: they are interrupted.

        Raises InputError for a wrong address; StorageError when it cannot be opened (StoreHeld: by another process),
        or has a schema this version does not read.
        """
        path = session.database_path(url)
        if path is not None and not create:
            session.require_file(path)
        engine = session.open_engine(url)
        try:
            if path is not None and not path.parent.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
            api.ensure(engine, create=create)
            store = cls(url, engine, artifacts.ArtifactFolder(artifacts.location(url)))
            store.release_jobs()
        except BaseException:
            engine.dispose()
            raise
        return store

    def close(self) -> None:
        """Close every connection; a DuckDB file is free for other processes then."""
        self._heartbeat.close()
        self.engine.dispose()

    def check(self) -> list[str]:
        """Problems, each in a line: orphaned rows, arrays of the wrong length, missing or damaged artifacts."""
        with session.reading(self.engine) as connection:
            return integrity.problems(connection, self.artifacts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
