"""The store: one object that reads and writes, over DuckDB or PostgreSQL."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Self

import sqlalchemy as sa

from headscope.storage import artifacts, private, session
from headscope.storage.job_owners import Heartbeat
from headscope.storage.read.behaviour import BehaviourReader
from headscope.storage.read.charts import ChartReader
from headscope.storage.read.counts import Counts
from headscope.storage.read.disagreement import DisagreementReader
from headscope.storage.read.evidence import EvidenceReader
from headscope.storage.read.heads import HeadReader
from headscope.storage.read.insides import InsideReader
from headscope.storage.read.model_pairs import ModelReader
from headscope.storage.read.offensive import OffensiveReader
from headscope.storage.read.pairs import PairReader
from headscope.storage.read.runs import Reader
from headscope.storage.read.subjects import SubjectReader
from headscope.storage.read.toxicity import ToxicityReader
from headscope.storage.schema import versions
from headscope.storage.write import integrity, repair, sweep
from headscope.storage.write.bias import BiasWriter
from headscope.storage.write.failures import FailureStore
from headscope.storage.write.scores import ScoreWriter
from headscope.storage.write.sweep import Swept
from headscope.storage.write.writer import Writer


class Store(
    Reader,
    EvidenceReader,
    HeadReader,
    BehaviourReader,
    OffensiveReader,
    PairReader,
    ChartReader,
    ModelReader,
    ToxicityReader,
    DisagreementReader,
    SubjectReader,
    InsideReader,
    BiasWriter,
    FailureStore,
    ScoreWriter,
    Writer,
):
    """A `headscope.storage.interfaces.RunReader` and `ResultSink`. Made by `Store.open`, used from any thread."""

    def __init__(self, url: str, engine: sa.Engine, folder: artifacts.ArtifactFolder) -> None:
        self.url, self.engine, self.artifacts = url, engine, folder
        self._counts, self._groups, self._samples = Counts(512), Counts(8), Counts(8)
        self._write_lock = threading.Lock()
        self._heartbeat = Heartbeat(self._beat)

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Self:
        """Open a store. If to `create`, a new file or an empty database gets its tables; else it is refused as it is.
        Jobs whose process is gone are given up: they are interrupted.

        Raises InputError for a wrong address; StorageError when it cannot be opened (StoreHeld: by another process),
        or has a schema this version does not read.
        """
        if not create:
            session.require(url)
        engine = session.open_engine(url)
        try:
            if (path := session.database_path(url)) is not None:
                private.make_folder(path.parent)
            versions.ensure(engine, create=create)
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

    def problems(self) -> dict[str, list[str]]:
        """Lines about what is wrong, by kind: orphaned rows, arrays of the wrong length, missing or damaged files."""
        with session.reading(self.engine) as connection:
            return integrity.problems(connection, self.artifacts)

    def check(self) -> list[str]:
        """Every line of `problems`; empty when the store is whole."""
        return [line for lines in self.problems().values() for line in lines]

    def repair(self) -> list[str]:
        """Mend what can be mended without computing anything; a line for each kind of thing that was done."""
        return repair.repair(self.engine, self.artifacts)

    def gc(self, grace: timedelta, *, dry_run: bool = False) -> Swept:
        """Remove artifact files that no row names and that are older than `grace` (`headscope.storage.write.sweep`)."""
        return sweep.sweep(self.engine, self.artifacts, grace, dry_run=dry_run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
