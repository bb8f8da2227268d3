"""Run a job here, or hand it to the server that owns the store.

On DuckDB one process owns the file. When that is a running `headscope serve`, its HTTP API takes the work, once it has
proved that it has the token of the note beside the file; when it is anything else, the message says who holds the file.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from headscope.analysis.engines.base import AnalysisEngine, Prepared
from headscope.analysis.engines.here import inline_engine
from headscope.analysis.engines.local import LocalEngine
from headscope.analysis.errors import HeadscopeError, InputError
from headscope.analysis.running.preflight import Preflight
from headscope.analysis.types import Progress, RunStatus
from headscope.jobs.job import JobOutcome, describe, going_on, prepare, run_job, to_resume
from headscope.jobs.request import JobRequest
from headscope.storage import owner, private, repository, session
from headscope.storage.reservation import reserve
from headscope.storage.served import Server, server_of

WHAT = "headscope run"
POLL_SECONDS = 0.5
PART_BYTES = 4 * 2**20
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
    engines: Engines | None = None,
) -> JobOutcome:
    """Carry out `request`, or without one go on with a job (`job`, or the one `to_resume` finds), wherever the store
    can be written. `on_resumed` hears which job it is.

    With more than one of `workers` the batches run in as many processes; a server that owns the store has its own.
    `engines`: those of a caller who has several requests, instead of one made for this.
    """
    with ExitStack() as stack:
        engines = engines or stack.enter_context(closing(Engines(workers)))
        if (server := server_of(url)) is not None:
            return _remote(server, request, on_progress, should_stop, on_prepared, job, on_resumed)
        path = session.database_path(url)

        def ready(request: JobRequest) -> tuple[AnalysisEngine, Prepared]:
            engine = engines.get()
            return engine, prepare(engine, request, _with_room(path, on_prepared))

        begun = None
        if request and path and not path.exists():
            stack.enter_context(reserve(path, WHAT))  # a second run is refused before it loads a model
            begun = ready(request)  # a refusal leaves no empty file
        private.keep_to_this_user()
        store = stack.enter_context(repository.Store.open(url, create=request is not None))
        if path is not None and begun is None:
            stack.enter_context(owner.claim(path, WHAT))
        job_id = None
        if request is None:
            found = to_resume(store, job)
            on_resumed(describe(found))
            job_id, request = found.id, going_on(found)
        engine, prepared = begun or ready(request)
        return run_job(engine, store, request, on_progress, should_stop, job_id, prepared)


def run_with(
    engine: AnalysisEngine, url: str, request: JobRequest, on_progress: OnProgress, should_stop: ShouldStop
) -> JobOutcome:
    """Carry out `request` here, with an engine of the caller's."""
    path = session.database_path(url)
    prepared = prepare(engine, request, _with_room(path, lambda needs: None))
    private.keep_to_this_user()
    with repository.Store.open(url) as store, ExitStack() as stack:
        if path is not None:
            stack.enter_context(owner.claim(path, "headscope blackbox"))
        return run_job(engine, store, request, on_progress, should_stop, None, prepared)


def _with_room(path: Path | None, on_prepared: Callable[[Preflight], None]) -> Callable[[Preflight], None]:
    """Refuses a request that will not fit on the disk of a DuckDB file; a database server's disk is its own matter."""

    def check(needs: Preflight) -> None:
        on_prepared(needs)
        if path is None:
            return
        there = next(folder for folder in path.absolute().parents if folder.exists())  # a store's own may not be yet
        free = shutil.disk_usage(there).free
        if needs.stored_bytes > free:
            raise InputError(
                f"this request stores about {needs.stored_bytes / 1e9:.1f} GB and {free / 1e9:.1f} GB are free beside "
                f"{path}: leave out `attention`, take fewer prompts, or use another disk."
            )

    return check


class Engines:
    """The engine of this process, made when it is first needed: a server that owns the store has its own."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._engine: AnalysisEngine | None = None

    def get(self) -> AnalysisEngine:
        """The engine, with `workers` processes if more than one."""
        if self._engine is None:
            self._engine = _engine(self._workers)
        return self._engine

    def close(self) -> None:
        """End its processes."""
        if self._engine is not None:
            self._engine.close()


def _engine(workers: int) -> AnalysisEngine:
    if workers > 1:
        return LocalEngine(workers)
    return inline_engine()


def _submit(server: Server, request: JobRequest) -> str:
    """Hand a request over, in parts when it is more than a server takes at once; the job's id."""
    asked = request.to_json()
    body = json.dumps(asked).encode()
    if len(body) <= PART_BYTES:
        answer = server.call("POST", "/api/v1/jobs", asked, SCREENING_SECONDS)
    else:
        place = f"/api/v1/jobs/parts/{server.call('POST', '/api/v1/jobs/parts').json()['upload']}"
        for at in range(0, len(body), PART_BYTES):
            server.call("PUT", f"{place}/{at}", data=body[at : at + PART_BYTES])
        answer = server.call("POST", place, timeout=SCREENING_SECONDS)
    job_id: str = answer.json()["job_id"]
    return job_id


def _remote(
    server: Server,
    request: JobRequest | None,
    on_progress: OnProgress,
    should_stop: ShouldStop,
    on_prepared: Callable[[Preflight], None],
    job: str,
    on_resumed: Callable[[str], None],
) -> JobOutcome:
    if request is None:
        answer = server.call("POST", "/api/v1/jobs/resume", {"job": job}, SCREENING_SECONDS).json()
        on_resumed(answer["told"])
        job_id = answer["job_id"]
    else:
        job_id = _submit(server, request)
    asked = told = False
    while True:
        state = server.call("GET", f"/api/v1/jobs/{job_id}").json()
        if state["needs"] and not told:
            on_prepared(Preflight(**state["needs"]))
            told = True
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
