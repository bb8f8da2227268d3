"""Who carries out a job, and what is left when that process is gone, on DuckDB and on a real PostgreSQL."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from headscope.analysis.errors import InputError, StorageError, UnknownNameError
from headscope.analysis.types import RunStatus
from headscope.storage import job_owners, schema, session
from headscope.storage.repository import Store
from headscope.storage.sql import readonly

NO_PROCESS = 2**22 + 1  # above the largest number Linux gives
LONG_AGO = timedelta(minutes=3)
LONG_PAST = datetime(2026, 1, 1)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url) as opened:
        yield opened


def start(store: Store, experiment: str = "e", **options: Any) -> str:
    return store.start_job(experiment=experiment, model="tiny", spec={"x": 1}, total=3, **options)


def change(store: Store, job_id: str, **values: Any) -> None:
    """As if another process had written the job's row: again, when a heartbeat was in the way."""
    row = sa.update(schema.jobs).where(schema.jobs.c.id == sa.cast(job_id, sa.Uuid)).values(**values)
    while True:
        try:
            with session.writing(store.engine) as connection:
                connection.execute(row)
            return
        except StorageError as error:
            if not session.is_conflict(error):
                raise


def by_sql(store: Store, job_id: str) -> str:
    table = readonly.run(store.url, f"SELECT status FROM v_jobs WHERE CAST(id AS VARCHAR) = '{job_id}'").table
    found: str = table.column("status")[0].as_py()
    return found


def test_a_job_names_its_process(store: Store) -> None:
    job = store.job(start(store, status=RunStatus.QUEUED))
    assert (job.status, job.pid, job.spec) == (RunStatus.QUEUED, os.getpid(), {"x": 1})
    assert job.updated_at is not None
    assert abs(datetime.now(UTC) - job.updated_at) < timedelta(minutes=1)
    assert store.jobs()[0].spec == {}


@pytest.mark.parametrize("gone", [{"pid": NO_PROCESS}, {"process_started": 1.0}, {"pid": None}])
@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.RUNNING])
def test_a_job_whose_process_is_gone_is_interrupted(store_url: str, gone: dict[str, Any], status: RunStatus) -> None:
    with Store.open(store_url) as store:
        job = start(store, status=status)
        change(store, job, **gone)
    with Store.open(store_url) as store:
        assert store.job(job).status is RunStatus.INTERRUPTED
        assert [row.status for row in store.jobs()] == [RunStatus.INTERRUPTED]
        assert by_sql(store, job) == "interrupted"
        assert store.overview().jobs[0].status is RunStatus.INTERRUPTED
        store.claim_job(job, RunStatus.RUNNING)
        assert (store.job(job).status, by_sql(store, job)) == (RunStatus.RUNNING, "running")
        store.release_jobs()  # this process is there
        assert store.job(job).status is RunStatus.RUNNING


def test_a_job_of_another_machine_is_at_work_while_it_is_heard_of(store: Store, database: str) -> None:
    job = start(store)
    change(store, job, host="elsewhere")
    assert store.job(job).status is RunStatus.RUNNING
    with pytest.raises(InputError, match=f"process {os.getpid()} on elsewhere"):
        store.claim_job(job, RunStatus.RUNNING)
    store.release_jobs()
    # one process at a time may open a DuckDB file: there the other one must have ended
    assert store.job(job).status is (RunStatus.INTERRUPTED if database == "duckdb" else RunStatus.RUNNING)
    change(store, job, pid=1, updated_at=datetime.now(UTC).replace(tzinfo=None) - LONG_AGO)
    assert (store.job(job).status, by_sql(store, job)) == (RunStatus.INTERRUPTED, "interrupted")
    store.claim_job(job, RunStatus.QUEUED)
    assert store.job(job).status is RunStatus.QUEUED


def test_the_heart_beats_until_the_job_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_owners, "BEAT_SECONDS", 0.01)
    ended, other = start(store), start(store)
    for job in (ended, other):
        hear(store, job)
    store.finish_job(ended, RunStatus.SUCCEEDED)
    hear(store, other)  # a beat for both may have been on its way
    change(store, ended, updated_at=LONG_PAST)
    hear(store, other)
    assert store.job(ended).updated_at == LONG_PAST.replace(tzinfo=UTC)


def hear(store: Store, job: str) -> None:
    """Wait until the next beat of a job's heart."""
    change(store, job, updated_at=LONG_PAST)
    deadline = time.monotonic() + 120
    while store.job(job).status is not RunStatus.RUNNING:
        assert time.monotonic() < deadline, "no heartbeat"


def test_which_job_to_go_on_with(store: Store) -> None:
    made = [start(store, f"e{number}") for number in range(6)]
    store.finish_job(made[0], RunStatus.CANCELLED)
    change(store, made[1], pid=None)
    store.finish_job(made[3], RunStatus.FAILED, "a\nb")
    store.finish_job(made[4], RunStatus.SUCCEEDED)
    store.finish_job(made[5], RunStatus.FAILED, "no model")
    assert [row.id for row in store.unfinished_jobs()] == [made[i] for i in (1, 0, 2, 5, 3)]


def test_a_job_by_the_beginning_of_its_id(store: Store) -> None:
    first, second = start(store), start(store)
    common = next(at for at in range(len(first)) if first[at] != second[at])
    assert store.job(first.upper()).id == first
    assert store.job(first[: common + 1]).id == first
    with pytest.raises(InputError, match="several jobs begin"):
        store.job(first[:common])
    for wrong in ("", "%", "no-such-job"):
        with pytest.raises(UnknownNameError, match="headscope jobs"):
            store.job(wrong)
