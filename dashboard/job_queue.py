"""The serving process's own jobs: a queue in front of one worker, one job at a time, in the order they came."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from headscope.analysis.classifiers.content_filter import OFF, Policy, Verdict, admit, allow
from headscope.analysis.engines.base import AnalysisEngine
from headscope.analysis.errors import HeadscopeError, StorageError, UnknownNameError
from headscope.analysis.models import listing
from headscope.analysis.registry import BLACK_BOX
from headscope.analysis.running.preflight import Preflight
from headscope.analysis.types import Continuation, ModelRef, Progress, RunStatus
from headscope.analysis.types.certificate import Certificate
from headscope.analysis.types.findings import Finding
from headscope.analysis.types.interventions import InterventionRequest, InterventionResult
from headscope.analysis.types.live import (
    LiveContinueRequest,
    LiveExplainRequest,
    LiveExplanation,
    LiveRequest,
    LiveResult,
)
from headscope.analysis.types.patching import PatchRequest, PatchResult
from headscope.dashboard.line import Line, Slots
from headscope.dashboard.offered import NOT_LISTED, offered
from headscope.dashboard.services import ModelListing
from headscope.jobs.certificates import whole_check
from headscope.jobs.detection import Store
from headscope.jobs.job import JobOutcome, going_on, prepare, run_job, to_resume
from headscope.jobs.request import JobRequest
from headscope.storage.rows import JobRow

LOG = logging.getLogger("headscope.jobs")
MOST_STORED = 100
MOST_WAITING = 32
"""Typed prompts in front of the engine; more are sent away at once."""


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as its client sees it while it waits or runs. needs: what it will need, once it is planned."""

    status: RunStatus
    progress: Progress
    error: str | None = None
    needs: Preflight | None = None


class JobQueue:
    """Runs jobs in one thread; `engine` computes in its own process, `store` is written by this one."""

    def __init__(self, engine: AnalysisEngine, store: Store, policy: Policy = OFF) -> None:
        self._engine, self._store, self.policy = engine, store, policy
        self._waiting: queue.Queue[tuple[str, JobRequest] | None] = queue.Queue()
        self._states: dict[str, JobState] = {}
        self._cancelled: set[str] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="headscope-jobs", daemon=True)
        self._thread.start()

    def submit(self, request: JobRequest, job_id: str | None = None) -> str:
        """Queue a job, new or resumed; returns its id once the content filter has read a new one.

        Raises what `AnalysisEngine.check` does, and InputError without prompts, before anything is stored.
        """
        request.require_prompts()
        self._engine.check(request.spec())
        if job_id is None:
            admitted, _ = admit(self._engine.screen, request.prompt_set, self.policy)
            request = replace(request, prompt_set=admitted)
        total = len(request.prompt_set.prompts)
        if job_id is None:
            spec, queued = request.to_json(), RunStatus.QUEUED
            job_id = self._store.start_job(
                experiment=request.experiment, model=request.model, spec=spec, total=total, status=queued
            )
        else:
            self._store.claim_job(job_id, RunStatus.QUEUED)
        self._cancelled.discard(job_id)
        self._states[job_id] = JobState(RunStatus.QUEUED, Progress(total, 0, 0, 0, 0.0))
        self._waiting.put((job_id, request))
        return job_id

    def state(self, job_id: str) -> JobState:
        """Where a job is; from the store for one that ended before. Raises UnknownNameError."""
        if (state := self._states.get(job_id)) is not None:
            return state
        row = self._store.job(job_id)
        return JobState(row.status, Progress(row.total, row.done, row.failed, row.cached, 0.0), row.error)

    def resume(self, name: str = "", admitted: Callable[[JobRequest], JobRequest] = lambda request: request) -> JobRow:
        """Go on with a job of the store (see `to_resume`) that is `admitted`; one that waits or runs here is left at
        it."""
        self._store.release_jobs()
        job = to_resume(self._store, name, carried=self.is_active)
        if not self.is_active(job.id):
            self.submit(admitted(going_on(job)), job.id)
        return job

    def is_active(self, job_id: str) -> bool:
        """Whether the job waits or runs here."""
        state = self._states.get(job_id)
        return state is not None and state.status in {RunStatus.QUEUED, RunStatus.RUNNING}

    def certify(self, model: ModelRef, device: str) -> Certificate:
        """See `ServerEngine.certify`."""
        return whole_check(self._engine, self._store, model, device)

    def stored_models(self) -> dict[str, bool]:
        """Names of the models that runs of the store were made with, most runs first, and whether each is one behind
        an API (and no folder of that name was ever read)."""
        models = [row for row in self._store.overview(1).models if row.n_runs]
        models.sort(key=lambda row: (row.n_runs, row.info.ref.backend != BLACK_BOX), reverse=True)
        found: dict[str, bool] = {}
        for row in models[:MOST_STORED]:
            api = row.info.ref.backend == BLACK_BOX
            found[row.info.ref.name] = api and found.get(row.info.ref.name, True)
        return found

    def cancel(self, job_id: str) -> None:
        """Stop within the current batch, of which nothing is kept. Raises UnknownNameError for one not active."""
        if not self.is_active(job_id):
            raise UnknownNameError("active job", job_id, filter(self.is_active, list(self._states)))
        self._cancelled.add(job_id)

    def close(self) -> None:
        """Stop within the current batch and wait for it."""
        self._closing.set()
        self._waiting.put(None)
        self._thread.join(25)

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None and not self._closing.is_set():
            job_id, request = item
            try:
                outcome = self._run(job_id, request)
                now = self._states[job_id]
                self._states[job_id] = replace(now, status=outcome.status, progress=outcome.progress)
            except Exception as error:  # the store has the reason; this thread must live for the next job
                LOG.exception("job %s failed", job_id)
                self._fail(job_id, error)
                self._states[job_id] = replace(self._states[job_id], status=RunStatus.FAILED, error=str(error))

    def _run(self, job_id: str, request: JobRequest) -> JobOutcome:
        return run_job(
            self._engine,
            self._store,
            request,
            on_progress=self._on_progress,
            should_break=lambda: self._closing.is_set() or job_id in self._cancelled,
            job_id=job_id,
            prepared=prepare(self._engine, request, lambda needs: self._planned(job_id, needs)),
        )

    def _fail(self, job_id: str, error: Exception) -> None:
        """Store why; `run_job` has done so already unless the job could not even begin."""
        with suppress(StorageError):
            self._store.finish_job(job_id, RunStatus.FAILED, f"{type(error).__name__}: {error}")

    def _on_progress(self, job_id: str, progress: Progress) -> None:
        self._states[job_id] = replace(self._states[job_id], status=RunStatus.RUNNING, progress=progress)

    def _planned(self, job_id: str, needs: Preflight) -> None:
        self._states[job_id] = replace(self._states[job_id], needs=needs)


class ServerEngine:
    """What pages may ask for (`services.AnalysisEngine`): typed prompts, models, and jobs.

    Only models of `model_listing.list_models` are loaded for them: whoever reaches the server, from a web page or
    another account of this machine, must not have it open folders. Jobs that `headscope run` hands over with the note's
    token go to `jobs` itself and may name a folder.
    """

    def __init__(self, engine: AnalysisEngine, jobs: JobQueue, slots: Slots | None = None) -> None:
        self._engine, self.jobs = engine, jobs
        self._line, self._slots = Line(MOST_WAITING), slots or Slots(1)
        self._listed: set[str] = set()
        self._loading = ""

    def warm(self, name: str) -> None:
        """Begin to have a model ready before anybody asks for it, and its first pass done, which is slower than the
        others. Until then `loading` names it; what is wrong with it is said to whoever asks for it."""
        self._loading = name
        threading.Thread(target=self._warm, args=(name,), name="headscope-warm", daemon=True).start()

    def _warm(self, name: str) -> None:
        try:
            with suppress(HeadscopeError):
                self.explain(LiveExplainRequest(LiveRequest(name, "The sea"), "token", "mean"))
        finally:
            self._loading = ""

    def loading(self) -> str:
        """See `services.AnalysisEngine.loading`."""
        return self._loading

    @contextmanager
    def _turn(self, client: str = "", sequence: int = 0) -> Iterator[None]:
        """The engine's turn, waited for and used without keeping a page from being answered."""
        with self._slots.aside(), self._line.turn(client, sequence):
            yield

    def live(self, request: LiveRequest, client: str = "", sequence: int = 0) -> LiveResult:
        """See `services.AnalysisEngine.live`."""
        self.only_listed(request.model)
        with self._turn(client, sequence):
            verdict = self._allow(request.text, request.target, request.foil)
            result = self._engine.live(request)
        return (
            result
            if verdict.action == "pass"
            else replace(result, caution=f"The content filter warns: {verdict.reason}.")
        )

    def explain(self, request: LiveExplainRequest, client: str = "", sequence: int = 0) -> LiveExplanation:
        """See `services.AnalysisEngine.explain`."""
        look = request.look
        self.only_listed(look.model)
        with self._turn(client, sequence):
            self._allow(look.text, look.target, look.foil)
            return self._engine.explain(request)

    def write_on(self, request: LiveContinueRequest, client: str = "", sequence: int = 0) -> Continuation:
        """See `services.AnalysisEngine.write_on`."""
        self.only_listed(request.model)
        with self._turn(client, sequence):
            self._allow(request.text)
            return self._engine.write_on(request)

    def patch(self, request: PatchRequest) -> PatchResult:
        """See `services.AnalysisEngine.patch`."""
        self.only_listed(request.model)
        with self._turn():
            self._allow(request.clean, request.corrupted, request.target, request.foil)
            return self._engine.patch(request)

    def intervene(self, request: InterventionRequest, client: str = "", sequence: int = 0) -> InterventionResult:
        """See `services.AnalysisEngine.intervene`."""
        self.only_listed(request.model)
        with self._turn(client, sequence):
            self._allow(request.text, request.source, request.target, request.foil)
            return self._engine.intervene(request)

    def certify(self, model: ModelRef, device: str) -> Certificate:
        """All checks of a model, kept in the store; behind the batch at work."""
        with self._slots.aside():
            return self.jobs.certify(model, device)

    def scorer(self, scorer: str) -> str:
        """See `AnalysisEngine.scorer`."""
        return self._engine.scorer(scorer)

    def score(self, scorer: str, texts: Sequence[tuple[str, str | None]]) -> list[tuple[Finding, ...]]:
        """See `AnalysisEngine.score`; behind the batch at work."""
        with self._slots.aside():
            return self._engine.score(scorer, texts)

    def models(self) -> Sequence[ModelListing]:
        """See `services.AnalysisEngine.models`."""
        return offered(self.jobs.stored_models())

    def submit(self, request: JobRequest) -> str:
        """See `services.AnalysisEngine.submit`."""
        self.only_listed(request.model)
        for prompt in request.prompt_set.prompts:
            self._allow(prompt.text, prompt.target, prompt.foil)
        return self.jobs.submit(request)

    def only_listed(self, name: str) -> None:
        """Raises UnknownNameError for another name. One that was found is remembered: listing reads every folder."""
        if name in self._listed:
            return
        names = [model.name for model in listing.list_models()]
        # A hub id like owner/name may also be a folder below the server's, which would be read instead.
        if name not in names or ("/" in name and Path(name).is_dir()):
            raise UnknownNameError("model", name, names, NOT_LISTED)
        self._listed.add(name)

    def content_filter(self) -> str:
        """See `services.AnalysisEngine.content_filter`."""
        return self.jobs.policy.describe()

    def _allow(self, *texts: str | None) -> Verdict:
        return allow(self._engine.screen, self.jobs.policy, *texts)
