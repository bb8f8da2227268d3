"""Writing: jobs, batches of results, and results served again from the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.errors import StorageError, UnknownNameError
from headscope.analysis.types import ModelInfo, Progress, PromptSet, RunResult, RunStatus
from headscope.analysis.types.certificate import Certificate
from headscope.storage import job_owners, schema, session
from headscope.storage.artifacts import COLUMNS, ArtifactFolder, row_of
from headscope.storage.columns import certificates
from headscope.storage.ids import new_id, parse_id
from headscope.storage.rows import Saved
from headscope.storage.sql import bulk
from headscope.storage.write import references, selections
from headscope.storage.write.batch import Batch, now

T = TypeVar("T")
ATTEMPTS = 6
CHUNK = 500  # ids in one IN list


class Writer:
    """The writing half of a store (`headscope.storage.interfaces.ResultSink`); writers in one process take turns."""

    engine: Engine
    artifacts: ArtifactFolder
    _write_lock: threading.Lock
    _heartbeat: job_owners.Heartbeat

    def start_job(
        self,
        *,
        experiment: str,
        model: str,
        spec: Mapping[str, Any],
        total: int,
        description: str = "",
        status: RunStatus = RunStatus.RUNNING,
    ) -> str:
        """See `ResultSink.start_job`."""
        job_id = new_id()

        def write(connection: Connection) -> None:
            experiment_id = references.experiment_id(connection, experiment, description, now())
            row = {
                "id": job_id,
                "status": status.value,
                "experiment_id": experiment_id,
                "experiment": experiment,
                "model": model,
                "total": total,
                "done": 0,
                "failed": 0,
                "cached": 0,
                "writes": 0,
                "created_at": now(),
                "spec": spec,
            }
            bulk.insert(connection, schema.jobs, [row])
            job_owners.claim(connection, job_id, status)

        self._transaction(write)
        self._heartbeat.add(job_id)
        return str(job_id)

    def claim_job(self, job_id: str, status: RunStatus) -> None:
        """See `ResultSink.claim_job`."""

        def write(connection: Connection) -> UUID:
            found: UUID = _job(connection, job_id)["id"]
            job_owners.claim(connection, found, status)
            return found

        self._heartbeat.add(self._transaction(write))

    def release_jobs(self) -> None:
        """See `ResultSink.release_jobs`."""
        self._transaction(job_owners.release)

    def finish_job(self, job_id: str, status: RunStatus, error: str | None = None) -> None:
        """See `ResultSink.finish_job`."""
        message = None if error is None else bulk.storable(error)
        if (found := parse_id(job_id)) is not None:
            self._heartbeat.discard(found)  # first: a job whose end cannot be stored must not look alive for ever
        self._update_job(job_id, status=status.value, error=message, finished_at=now())

    def report_job(self, job_id: str, progress: Progress) -> None:
        """See `ResultSink.report_job`."""
        self._update_job(job_id, done=progress.done, failed=progress.failed, cached=progress.cached)

    def find_results(self, keys: Sequence[str], job_id: str | None = None) -> Mapping[str, str]:
        """See `ResultSink.find_results`."""
        runs, details = schema.runs.c, schema.run_details.c
        joined = sa.select(details.result_key, runs.id).join_from(
            schema.run_details, schema.runs, runs.id == details.run_id
        )
        if job_id is not None:
            joined = joined.where(details.job_id == parse_id(job_id))
        found: dict[str, str] = {}
        with session.reading(self.engine) as connection:
            for start in range(0, len(keys), CHUNK):
                query = joined.where(
                    details.result_key.in_(keys[start : start + CHUNK]), runs.status == RunStatus.SUCCEEDED.value
                )
                hits = connection.execute(query.order_by(runs.id.desc())).all()
                incomplete = self._incomplete(connection, [run_id for _, run_id in hits])
                for key, run_id in hits:
                    if run_id not in incomplete:
                        found[key] = str(run_id)  # the oldest of several: the one that was computed
        return found

    def _incomplete(self, connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
        """Those of these runs whose files are not all there."""
        table = schema.artifacts.c
        query = sa.select(table.run_id, *(table[name] for name in COLUMNS)).where(table.run_id.in_(ids))
        return {row["run_id"] for row in connection.execute(query).mappings() if not self.artifacts.holds(row_of(row))}

    def save(
        self,
        job_id: str,
        info: ModelInfo,
        prompt_set: PromptSet,
        analyses: Sequence[str],
        seed: int,
        results: Sequence[RunResult],
        *,
        replace_old: bool = False,
    ) -> Saved:
        """See `ResultSink.save`. Files come before rows, so that no row ever waits for its file."""
        files = [None if r.attention is None else self.artifacts.put_attention(r.attention) for r in results]

        def write(connection: Connection) -> Saved:
            _count_write(connection, job_id)
            job, ids = _job(connection, job_id), [""] * len(results)
            for part, mine in selections.split(prompt_set, [result.prompt for result in results]):
                own = [replace(results[place], prompt=prompt) for place, prompt in mine.items()]
                batch = Batch(connection, job, part, replace_old=replace_old)
                saved = batch.save(info, analyses, seed, own, [files[place] for place in mine])
                for place, run_id in zip(mine, saved, strict=True):
                    ids[place] = str(run_id)
            return Saved(tuple(ids))

        return self._transaction(write)

    def reuse(self, job_id: str, prompt_set: PromptSet, hits: Mapping[str, str]) -> int:
        """See `ResultSink.reuse`."""

        def write(connection: Connection) -> int:
            _count_write(connection, job_id)
            job, served = _job(connection, job_id), 0
            there = [prompt for prompt in prompt_set.prompts if prompt.id in hits]
            for part, mine in selections.split(prompt_set, there):
                batch = Batch(connection, job, part)
                wanted = [(prompt.id, hits[there[place].id]) for place, prompt in mine.items()]
                for start in range(0, len(wanted), CHUNK):
                    served += batch.copy(dict(wanted[start : start + CHUNK]))
            return served

        return self._transaction(write)

    def save_certificate(self, certificate: Certificate) -> None:
        """See `ResultSink.save_certificate`."""
        rows = certificates.rows_of(new_id(), certificate, now())
        self._transaction(lambda connection: bulk.insert(connection, schema.model_checks, rows))

    def _beat(self, job_ids: Sequence[UUID]) -> None:
        self._transaction(lambda connection: job_owners.beat(connection, job_ids))

    def _update_job(self, job_id: str, **values: Any) -> None:
        def write(connection: Connection) -> None:
            job = _job(connection, job_id)
            heard = job_owners.moment(connection)
            mine = schema.jobs.c.id == job["id"]
            connection.execute(sa.update(schema.jobs).where(mine).values(**values, updated_at=heard))

        self._transaction(write)

    def _transaction(self, write: Callable[[Connection], T]) -> T:
        """Run `write` in one transaction, again when another writer was in the way. Raises StorageError."""
        with self._write_lock:
            for attempt in range(ATTEMPTS):
                try:
                    with session.writing(self.engine) as connection:
                        return write(connection)
                except StorageError as error:
                    if attempt == ATTEMPTS - 1 or not session.is_conflict(error):
                        raise
                    time.sleep(0.02 * 2**attempt)
        raise AssertionError("unreachable")


def _count_write(connection: Connection, job_id: str) -> None:
    """See `headscope.storage.read.counts.version`."""
    jobs = schema.jobs
    connection.execute(sa.update(jobs).where(jobs.c.id == parse_id(job_id)).values(writes=jobs.c.writes + 1))


def _job(connection: Connection, job_id: str) -> Mapping[str, Any]:
    jobs = schema.jobs.c
    query = sa.select(jobs.id, jobs.experiment_id, jobs.experiment).where(jobs.id == parse_id(job_id))
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise UnknownNameError("job", job_id, (), "It is not in this store.")
    return dict(row)
