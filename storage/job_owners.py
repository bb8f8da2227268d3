"""Who carries out a job: a process with a heartbeat. One without either was interrupted (the view `v_jobs` says so).

A job's row names the process (host, number, start) and when it was last heard of. A process of this machine that is
gone is seen at once, by whoever opens the store next; one of another machine by its silence.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.errors import InputError
from headscope.analysis.types import RunStatus
from headscope.storage import schema
from headscope.storage.schema.base import Json

LOG = logging.getLogger("headscope.storage")
BEAT_SECONDS = 15.0
"""Eight beats make the two minutes after which `v_jobs` takes a process for gone."""
ACTIVE = (RunStatus.QUEUED.value, RunStatus.RUNNING.value)
SAME_START = 5.0
"""Seconds within which two readings of a process's start are the same: they follow the machine's clock."""
VIEW = sa.table(
    "v_jobs",
    *(sa.column(c.name, Json if c.name == "spec" else c.type) for c in schema.jobs.columns
      if c.name not in {"writes", "process_started"}),
)  # fmt: skip


def this_process() -> dict[str, Any]:
    """How a job's row names the process that runs this."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "process_started": psutil.Process().create_time()}


def moment(connection: Connection) -> sa.ColumnElement[Any]:
    """Now by the database's clock, UTC without a zone: clocks of machines differ."""
    if connection.dialect.name == "postgresql":
        return sa.cast(sa.func.timezone("UTC", sa.func.clock_timestamp()), sa.DateTime)
    return sa.func.make_timestamp(sa.func.epoch_us(sa.func.now()))


def claim(connection: Connection, job_id: UUID, status: RunStatus) -> None:
    """Make this process the one that carries out a job. Raises InputError when another one does."""
    jobs, mine = schema.jobs, this_process()
    held = sa.exists().where(
        VIEW.c.id == job_id,
        VIEW.c.status.in_(ACTIVE),
        sa.or_(VIEW.c.host != mine["host"], VIEW.c.pid != mine["pid"]),
    )
    values = {**mine, "status": status.value, "finished_at": None, "error": None, "updated_at": moment(connection)}
    taken = sa.update(jobs).where(jobs.c.id == job_id, sa.not_(held)).values(**values).returning(jobs.c.id)
    if connection.execute(taken).first() is None:
        row = connection.execute(sa.select(jobs.c.host, jobs.c.pid).where(jobs.c.id == job_id)).one()
        raise InputError(
            f"job {job_id} is being carried out by process {row.pid} on {row.host}: wait until it ends or stop it, or "
            "name another job (`headscope jobs` lists them)."
        )


def beat(connection: Connection, job_ids: Sequence[UUID]) -> None:
    """Say that these jobs are still at work."""
    jobs = schema.jobs
    connection.execute(sa.update(jobs).where(jobs.c.id.in_(job_ids)).values(updated_at=moment(connection)))


def release(connection: Connection) -> None:
    """Give up the jobs whose process is known to be gone: on this machine, or on any when this process owns the file
    of a DuckDB store, which one process at a time can."""
    jobs = schema.jobs
    owned = sa.select(jobs.c.id, jobs.c.host, jobs.c.pid, jobs.c.process_started)
    rows = connection.execute(owned.where(jobs.c.status.in_(ACTIVE), jobs.c.pid.isnot(None))).mappings().all()
    exclusive = connection.dialect.name == "duckdb"
    for row in rows:
        if _is_gone(row, exclusive=exclusive):
            same = (jobs.c.id == row["id"], jobs.c.host == row["host"], jobs.c.pid == row["pid"])
            connection.execute(sa.update(jobs).where(*same).values(pid=None))


def _is_gone(row: Mapping[Any, Any], *, exclusive: bool) -> bool:
    if row["host"] != socket.gethostname():
        return exclusive
    if exclusive and row["pid"] != os.getpid():
        return True
    try:
        return abs(psutil.Process(row["pid"]).create_time() - (row["process_started"] or 0.0)) > SAME_START
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:  # somebody else's process, which may not be looked at: it is there
        return False


class Heartbeat:
    """Calls `beat` with the jobs of this process every few seconds, from a thread that starts with the first job."""

    def __init__(self, beat: Callable[[Sequence[UUID]], None]) -> None:
        self._beat = beat
        self._jobs: set[UUID] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, job_id: UUID) -> None:
        """Begin to speak for a job."""
        with self._lock:
            self._jobs.add(job_id)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="headscope-heartbeat", daemon=True)
                self._thread.start()

    def discard(self, job_id: UUID) -> None:
        """Fall silent about a job."""
        with self._lock:
            self._jobs.discard(job_id)

    def close(self) -> None:
        """Stop, before the store is closed."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            with self._lock:
                jobs = sorted(self._jobs)
            try:
                if jobs:
                    self._beat(jobs)
            except Exception:  # a database that is away for a while: the next beat may find it again
                LOG.warning("the store could not be told that jobs are still at work", exc_info=True)
