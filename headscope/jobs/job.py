"""A job: one request for runs, carried out by an engine and written to a store, batch by batch.

The command line and the server both run jobs through `run_job`; `JobRequest` is also the body of the HTTP hand-over and
what the store keeps so that a job can be resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, takewhile

from headscope.analysis.engines.base import AnalysisEngine, Prepared
from headscope.analysis.errors import InputError, Stopped
from headscope.analysis.running.parts import Tally
from headscope.analysis.running.preflight import Preflight, check_minutes
from headscope.analysis.types import (
    ModelInfo,
    Progress,
    Prompt,
    RunResult,
    RunSpec,
    RunStatus,
)
from headscope.jobs.at_work import AtWork
from headscope.jobs.certificates import NOT_CHECKED, first_check
from headscope.jobs.detection import Store, detect, experiment_runs
from headscope.jobs.request import JobRequest
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import JobRow

REPORT_SECONDS = 1.0
AT_WORK = {RunStatus.QUEUED, RunStatus.RUNNING}
FEW = 8
"""So many prompts are done before a second process has loaded the model."""


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job ended; `cancelled` when it was asked to stop and can be resumed."""

    job_id: str
    status: RunStatus
    progress: Progress


def prepare(
    engine: AnalysisEngine, request: JobRequest, on_prepared: Callable[[Preflight], None] = lambda needs: None
) -> Prepared:
    """All that refuses a request and needs no store. `on_prepared` hears what it will need, and may refuse by raising.

    Raises what `AnalysisEngine.prepare` does; InputError without prompts, and for more than `max_minutes`.
    """
    request.require_prompts()
    prepared = engine.prepare(request.spec(), request.batch_size)
    on_prepared(prepared.preflight)
    check_minutes(prepared.preflight, request.max_minutes, engine.parallel)
    return prepared


def run_job(
    engine: AnalysisEngine,
    sink: Store,
    request: JobRequest,
    on_progress: Callable[[str, Progress], None] = lambda job_id, progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    job_id: str | None = None,
    prepared: Prepared | None = None,
    should_break: Callable[[], bool] = lambda: False,
) -> JobOutcome:
    """Serve what the store has, compute the rest batch by batch, store each batch whole.

    A new job is written once its model is loaded, its analyses and parameters are known and it has prompts: what cannot
    run leaves no job behind. `job_id` goes on with one that is there; `prepared`: what `prepare` gave.

    Stops after the current batch when `should_stop()`, and within it, losing what of it is done, when `should_break()`.
    An error that is no prompt's fault (the model cannot be loaded,
    the disk is full) marks the job failed and is raised again; every batch saved before it stays.
    """
    total = len(request.prompt_set.prompts)
    prepared = prepared or prepare(engine, request)
    info = _named(prepared.info, request.name, sink)
    if job_id is None:
        model = request.name or request.model
        job_id = sink.start_job(experiment=request.experiment, model=model, spec=request.to_json(), total=total)
    else:
        sink.claim_job(job_id, RunStatus.RUNNING)
    try:
        told = AtWork(lambda now: on_progress(job_id, now), should_break)
        progress = _compute(engine, sink, request, prepared, info, job_id, told, should_stop)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            sink.finish_job(job_id, RunStatus.CANCELLED)
        else:
            sink.finish_job(job_id, RunStatus.FAILED, f"{type(error).__name__}: {error}")
        raise
    status = RunStatus.SUCCEEDED if progress.done == total else RunStatus.CANCELLED
    sink.report_job(job_id, progress)
    for part in request.prompt_set.parts or (request.prompt_set,):
        detect(sink, experiment_runs(request.experiment, part.name))
    sink.finish_job(job_id, status)
    return JobOutcome(job_id, status, progress)


def to_resume(store: RunReader, name: str = "", *, carried: Callable[[str], bool] = lambda job_id: False) -> JobRow:
    """The job to go on with: `name` (an id or its beginning), or the newest that was interrupted or cancelled, failed
    ones last. `carried`: which jobs this process has at work already; one of those is the answer before a failed one.

    Raises InputError, UnknownNameError when there is none.
    """
    if name:
        job = store.job(name)
        if job.status is RunStatus.SUCCEEDED:
            raise InputError(f"{describe(job)} has succeeded: there is nothing to go on with.")
        if _is_of_an_api(job):
            raise InputError(f"{describe(job)} asked an API: give its `headscope blackbox` command again to go on.")
        return job
    for row in store.unfinished_jobs():
        if row.status in AT_WORK and not carried(row.id):
            continue
        if not _is_of_an_api(job := store.job(row.id)):
            return job
    raise InputError("there is no unfinished job in this store: start one with --prompts.")


def going_on(job: JobRow) -> JobRequest:
    """The request of a stored job that is gone on with: whether it takes too long was asked when it began."""
    return replace(JobRequest.from_json(job.spec), max_minutes=0.0)


def _is_of_an_api(job: JobRow) -> bool:
    return "blackbox" in (job.spec.get("params") or {})


def describe(job: JobRow) -> str:
    """A job in a few words."""
    return f"job {job.id} ({job.experiment}, {job.model}, {job.done} of {job.total} prompts stored)"


def _named(info: ModelInfo, name: str, store: RunReader) -> ModelInfo:
    """The model under the name it was given. Raises InputError when the store knows these weights under another."""
    if not name:
        return info
    key = (info.ref.weights_sha256, info.tokenizer_sha256, info.ref.backend, info.ref.dtype)
    for known in (row.info for row in store.overview(0).models):
        same = (known.ref.weights_sha256, known.tokenizer_sha256, known.ref.backend, known.ref.dtype) == key
        if same and known.ref.name != name:
            raise InputError(
                f"this store has the same weights under the name {known.ref.name!r}, and a model has one name there: "
                "leave out --name, or use another store."
            )
    return replace(info, ref=replace(info.ref, name=name))


def _compute(
    engine: AnalysisEngine,
    sink: Store,
    request: JobRequest,
    prepared: Prepared,
    info: ModelInfo,
    job_id: str,
    told: AtWork,
    should_stop: Callable[[], bool],
) -> Progress:
    asked = request.spec()
    prompts = asked.prompts
    found = sink.find_results(prepared.keys, job_id if request.fresh else None)
    hits = {prompt.id: found[key] for prompt, key in zip(prompts, prepared.keys, strict=True) if key in found}
    cached = sink.reuse(job_id, request.prompt_set, hits) if hits else 0
    spec = replace(asked, prompts=(), model=prepared.info.ref)
    progress = Progress(len(prompts), cached, 0, cached, 0.0)
    told.now(progress)
    started = reported = time.monotonic()
    missing = [[prompts[i] for i in batch if prompts[i].id not in hits] for batch in prepared.batches]
    missing = [batch for batch in missing if batch]
    check = first_check(engine, sink, spec, prepared) if missing else NOT_CHECKED
    tally, progress = Tally(), replace(progress, warnings=check.warnings)
    for results in _batches(engine, spec, missing, should_stop, told):
        sink.save(job_id, info, request.prompt_set, request.analyses, request.seed, results, replace_old=request.fresh)
        check.store(sink)
        tally.add(results)
        failed = sum(result.status is RunStatus.FAILED for result in results)
        progress = Progress(
            len(prompts),
            progress.done + len(results),
            progress.failed + failed,
            cached,
            time.monotonic() - started,
            tally.sentences(),
            check.warnings,
        )
        told.now(progress)
        if time.monotonic() - reported > REPORT_SECONDS:
            sink.report_job(job_id, progress)
            reported = time.monotonic()
    return progress


def _effort(batch: Sequence[Prompt]) -> int:
    return len(batch) * max(len(prompt.text) for prompt in batch)


def _batches(
    engine: AnalysisEngine,
    spec: RunSpec,
    batches: list[list[Prompt]],
    should_stop: Callable[[], bool],
    told: AtWork,
) -> Iterator[list[RunResult]]:
    """Results of each batch as it is done, as many at a time as the engine runs; after a stop those already begun."""

    def run(batch: list[Prompt]) -> list[RunResult]:
        with told.batch(len(batch)) as on_beat:
            return engine.run_batch(spec, batch, on_beat)

    with suppress(Stopped):
        if engine.parallel == 1 or sum(map(len, batches)) <= FEW:
            yield from (run(batch) for batch in takewhile(lambda _: not (should_stop() or told.broken_off()), batches))
            return
        todo = iter(sorted(batches, key=_effort, reverse=True))  # the longest last would leave the others idle
        pool = ThreadPoolExecutor(engine.parallel)
        try:
            running = {pool.submit(run, batch) for batch in islice(todo, engine.parallel)}
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                if not (should_stop() or told.broken_off()):
                    running |= {pool.submit(run, batch) for batch in islice(todo, len(done))}
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # closing the engine ends what is still computed
