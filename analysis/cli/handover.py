"""Run a job here, or hand it to the server that owns the store.

On DuckDB one process owns the file. When that is a running `headscope serve`, its HTTP API takes the work (the token
lies in a file only this user can read); when it is anything else, the message says who holds the file.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import requests

from analysis.engines.base import Engine
from analysis.engines.local import LocalEngine
from analysis.engines.threads import yield_when_waiting
from analysis.errors import HeadscopeError, InputError, StorageError
from analysis.jobs import JobOutcome, JobRequest, describe, run_job, to_resume
from analysis.preflight import Preflight
from analysis.types import Progress, RunStatus
from storage import owner, repository, session

POLL_SECONDS = 0.5
TIMEOUT_SECONDS = 30
SCREENING_SECONDS = 600
"""The server's content filter may read every prompt before it answers."""
OnProgress = Callable[[str, Progress], None]
ShouldStop = Callable[[], bool]
ENDED = {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED}


def run(
    url: str,
    request: JobRequest | None,
    on_progress: OnProgress,
    should_stop: ShouldStop,
    workers: int = 1,
    on_prepared: Callable[[Preflight], None] = lambda needs: None,
    job: str = "",
    on_resumed: Callable[[str], None] = lambda told: None,
) -> JobOutcome:
    """Carry out `request`, or without one go on with a job (`job`, or the one `to_resume` finds), wherever the store
    can be written. `on_resumed` hears which job it is.

    With more than one of `workers` the batches run in as many processes; a server that owns the store has its own.
    """
    with ExitStack() as stack:
        server = server_of(url)
        if server is not None:
            return _remote(server, request, on_progress, should_stop, job, on_resumed)
        path = session.database_path(url)
        if path is not None:
            store = stack.enter_context(repository.Store.open(url))
            stack.enter_context(owner.claim(path, "headscope run"))
        else:
            store = stack.enter_context(repository.Store.open(url))
        job_id = None
        if request is None:
            found = to_resume(store, job)
            on_resumed(describe(found))
            job_id, request = found.id, JobRequest.from_json(found.spec)
        engine = stack.enter_context(closing(_engine(workers)))
        return run_job(engine, store, request, on_progress, should_stop, job_id, _with_room(path, on_prepared))


def run_with(
    engine: Engine, url: str, request: JobRequest, on_progress: OnProgress, should_stop: ShouldStop
) -> JobOutcome:
    """Carry out `request` here, with an engine of the caller's."""
    path = session.database_path(url)
    with repository.Store.open(url) as store, ExitStack() as stack:
        if path is not None:
            stack.enter_context(owner.claim(path, "headscope blackbox"))
        return run_job(engine, store, request, on_progress, should_stop, None, _with_room(path, lambda needs: None))


def _with_room(path: Path | None, on_prepared: Callable[[Preflight], None]) -> Callable[[Preflight], None]:
    """Refuses a request that will not fit on the disk of a DuckDB file; a database server's disk is its own matter."""

    def check(needs: Preflight) -> None:
        on_prepared(needs)
        free = shutil.disk_usage(path.absolute().parent).free if path is not None else needs.stored_bytes
        if needs.stored_bytes > free:
            raise InputError(
                f"this request stores about {needs.stored_bytes / 1e9:.1f} GB and {free / 1e9:.1f} GB are free beside "
                f"{path}: leave out `attention`, take fewer prompts, or use another disk."
            )

    return check


def _engine(workers: int) -> Engine:
    if workers > 1:
        return LocalEngine(workers)
    yield_when_waiting()
    from analysis.engines.inline import InlineEngine

    return InlineEngine()


def server_of(url: str) -> owner.Owner | None:
    """The running server that owns this DuckDB file, if one does."""
    path = session.database_path(url)
    holder = owner.read(path) if path is not None else None
    return holder if holder is not None and holder.url else None


class Server:
    """The HTTP API of the owning server."""

    def __init__(self, holder: owner.Owner) -> None:
        self._holder = holder
        self._session = requests.Session()
        self._session.trust_env = False  # never through a proxy: the server is on this machine
        self._session.headers["Authorization"] = f"Bearer {holder.token}"

    def call(self, verb: str, path: str, json: Any = None, timeout: float = TIMEOUT_SECONDS) -> requests.Response:
        """One call; a refusal or an unreachable server becomes an error that says so."""
        try:
            response = self._session.request(verb, f"{self._holder.url}{path}", json=json, timeout=timeout)
        except requests.RequestException as error:
            raise StorageError(
                f"{self._holder.what} (process {self._holder.pid}) owns this store but does not answer at "
                f"{self._holder.url}: {error}. Stop it, or try again when it is less busy."
            ) from error
        if response.ok:
            return response
        try:
            message = response.json()["error"]
        except (ValueError, KeyError):
            message = f"HTTP {response.status_code}"
        raise HeadscopeError(f"the server at {self._holder.url} answered: {message}")


def _remote(
    holder: owner.Owner,
    request: JobRequest | None,
    on_progress: OnProgress,
    should_stop: ShouldStop,
    job: str,
    on_resumed: Callable[[str], None],
) -> JobOutcome:
    server = Server(holder)
    if request is None:
        answer = server.call("POST", "/api/v1/jobs/resume", {"job": job}, SCREENING_SECONDS).json()
        on_resumed(answer["told"])
        job_id = answer["job_id"]
    else:
        job_id = server.call("POST", "/api/v1/jobs", request.to_json(), SCREENING_SECONDS).json()["job_id"]
    asked = False
    while True:
        state = server.call("GET", f"/api/v1/jobs/{job_id}").json()
        progress = Progress(**state["progress"])
        on_progress(job_id, progress)
        status = RunStatus(state["status"])
        if status is RunStatus.FAILED:
            raise HeadscopeError(state["error"] or "the job failed")
        if status in ENDED:
            return JobOutcome(job_id, status, progress)
        if should_stop() and not asked:
            server.call("POST", f"/api/v1/jobs/{job_id}/cancel")
            asked = True
        time.sleep(POLL_SECONDS)
