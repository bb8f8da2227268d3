"""Analyses in worker processes on this machine, so that the process serving pages never loads torch.

The workers are started when first needed: one for typed prompts, the others for jobs, so that a long batch never delays
the Live page. Messages are pickled over a pipe that only the two processes hold.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from headscope.analysis.classifiers.content_filter import Policy, Verdict
from headscope.analysis.engines.base import Prepared
from headscope.analysis.engines.threads import prepare_torch
from headscope.analysis.errors import BackendError, HeadscopeError, Stopped
from headscope.analysis.types import Beat, Continuation, ModelRef, OnBeat, Prompt, RunResult, RunSpec
from headscope.analysis.types.certificate import Certificate
from headscope.analysis.types.findings import Finding, LoadedScorer
from headscope.analysis.types.interventions import InterventionRequest, InterventionResult
from headscope.analysis.types.judging import Judgement, JudgeRequest
from headscope.analysis.types.live import (
    LiveContinueRequest,
    LiveExplainRequest,
    LiveExplanation,
    LiveRequest,
    LiveResult,
)
from headscope.analysis.types.patching import PatchRequest, PatchResult


def _context() -> multiprocessing.context.BaseContext:
    """How processes are made: on Linux forked from one that has imported torch, so that only the first waits for it.

    Elsewhere forking after such an import is not safe (macOS) or not to be had.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["headscope.analysis.engines.ahead"])
    return context


def _worker_main(connection: Connection, threads: int | None, environment: dict[str, str]) -> None:
    """Body of a worker process; torch is on its side of the border. `environment`: what the owner's is by now."""
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle: it lets the batch finish
    from headscope.analysis.engines.worker import serve

    serve(connection, threads)


class Worker:
    """One worker process. Calls from several threads queue up; a dead process is replaced at the next call.

    `threads`: how many it computes with; None leaves that to torch.
    """

    def __init__(self, name: str, threads: int | None = None) -> None:
        self._name, self._threads = name, threads
        self._lock = threading.Lock()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def call(self, kind: str, *arguments: Any, on_beat: OnBeat | None = None) -> Any:
        """Send one request and wait for its answer; `on_beat` hears how far the worker is.

        Raises what the worker or `on_beat` raised, or BackendError when the process ended.
        """
        with self._lock:
            connection = self._connect()
            try:
                connection.send((kind, arguments, on_beat is not None))
                ok, answer = _answer(connection, on_beat)
            except (EOFError, OSError) as error:
                raise BackendError(self._obituary()) from error
        if ok:
            return answer
        raise answer

    def _connect(self) -> Connection:
        if self._connection is None or self._process is None or not self._process.is_alive():
            self.close()
            context = _context()
            self._connection, theirs = context.Pipe()
            prepare_torch()  # here, for the process that imports torch starts with this environment
            self._process = context.Process(  # type: ignore[attr-defined]  # every context has it
                target=_worker_main, args=(theirs, self._threads, dict(os.environ)), name=f"headscope-{self._name}",
                daemon=True,
            )  # fmt: skip
            self._process.start()
            theirs.close()
        return self._connection

    def _obituary(self) -> str:
        process = self._process
        if process is not None:
            process.join(2)
        code = None if process is None else process.exitcode
        self.close()
        if code == -signal.SIGKILL:
            return (
                "the analysis worker was killed, most likely because the machine ran out of memory: use a smaller "
                "model, shorter prompts or a smaller --batch-size. The next request starts a new worker."
            )
        return f"the analysis worker ended unexpectedly (exit code {code}). The next request starts a new one."

    def close(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None and self._process.is_alive():
            self._process.terminate()
            self._process.join(5)
        self._connection = self._process = None


def _answer(connection: Connection, on_beat: OnBeat | None) -> tuple[bool, Any]:
    """What ends a call; a batch that `on_beat` stops is told so and waited for, so that the worker is free again."""
    stopped: BaseException | None = None
    while True:
        ok, answer = connection.recv()
        if not isinstance(answer, Beat):
            return (ok, answer) if stopped is None else (False, stopped)
        if on_beat is not None and stopped is None:
            try:
                on_beat(answer)
            except Stopped as asked:
                stopped = asked
                connection.send(None)


def _load(worker: Worker, model: ModelRef, device: str) -> None:
    with suppress(HeadscopeError):  # the batch that needs the model will say what is wrong
        worker.call("load", model, device)


class LocalEngine:
    """An AnalysisEngine over worker processes: `workers` for jobs, which share the cores, and one for typed prompts.

    Several processes of few threads use the cores better than one process of many, and each holds the model.
    """

    def __init__(self, workers: int = 1) -> None:
        self.parallel = workers
        threads = max(1, (os.cpu_count() or 1) // workers) if workers > 1 else None
        self._jobs = [Worker(f"jobs-{number}", threads) for number in range(1, workers + 1)]
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()  # the worker used last has the model loaded
        for worker in reversed(self._jobs):
            self._free.put(worker)
        self._live = Worker("live")

    def check(self, spec: RunSpec) -> None:
        """See `AnalysisEngine.check`. By the worker of typed prompts: those for jobs may be at work."""
        self._live.call("check", replace(spec, prompts=()))

    def prepare(self, spec: RunSpec, batch_size: int) -> Prepared:
        """See `AnalysisEngine.prepare`. The other workers load the model meanwhile."""
        for worker in self._jobs[1:]:
            threading.Thread(target=_load, args=(worker, spec.model, spec.device), daemon=True).start()
        answer: Prepared = self._call("prepare", spec, batch_size)
        return answer

    def run_batch(self, spec: RunSpec, prompts: Sequence[Prompt], on_beat: OnBeat | None = None) -> list[RunResult]:
        """See `AnalysisEngine.run_batch`."""
        answer: list[RunResult] = self._call("run_batch", spec, tuple(prompts), on_beat=on_beat)
        return answer

    def certify(self, model: ModelRef, device: str, whole: bool) -> Certificate:
        """See `AnalysisEngine.certify`. By a worker for jobs: it may take a minute."""
        answer: Certificate = self._call("certify", model, device, whole)
        return answer

    def _call(self, kind: str, *arguments: Any, on_beat: OnBeat | None = None) -> Any:
        """Ask the first job worker that is free."""
        worker = self._free.get()
        try:
            return worker.call(kind, *arguments, on_beat=on_beat)
        finally:
            self._free.put(worker)

    def live(self, request: LiveRequest) -> LiveResult:
        """See `AnalysisEngine.live`."""
        answer: LiveResult = self._live.call("live", request)
        return answer

    def explain(self, request: LiveExplainRequest) -> LiveExplanation:
        """See `AnalysisEngine.explain`."""
        answer: LiveExplanation = self._live.call("explain", request)
        return answer

    def write_on(self, request: LiveContinueRequest) -> Continuation:
        """See `AnalysisEngine.write_on`."""
        answer: Continuation = self._live.call("write_on", request)
        return answer

    def judge(self, request: JudgeRequest) -> Judgement:
        """See `AnalysisEngine.judge`."""
        answer: Judgement = self._live.call("judge", request)
        return answer

    def patch(self, request: PatchRequest) -> PatchResult:
        """See `AnalysisEngine.patch`."""
        answer: PatchResult = self._live.call("patch", request)
        return answer

    def intervene(self, request: InterventionRequest) -> InterventionResult:
        """See `AnalysisEngine.intervene`."""
        answer: InterventionResult = self._live.call("intervene", request)
        return answer

    def screen(self, texts: Sequence[str], policy: Policy) -> list[Verdict]:
        """See `AnalysisEngine.screen`. By the worker of typed prompts, which is never long away."""
        answer: list[Verdict] = self._live.call("screen", tuple(texts), policy)
        return answer

    def scorer(self, scorer: str) -> LoadedScorer:
        """See `AnalysisEngine.scorer`. By a worker for jobs, like `score`."""
        answer: LoadedScorer = self._call("scorer", scorer)
        return answer

    def score(
        self, scorer: str, texts: Sequence[tuple[str, str | None]], explain: bool = True
    ) -> list[tuple[Finding, ...]]:
        """See `AnalysisEngine.score`."""
        answer: list[tuple[Finding, ...]] = self._call("score", scorer, tuple(texts), explain)
        return answer

    def close(self) -> None:
        """See `AnalysisEngine.close`."""
        for worker in (self._live, *self._jobs):
            worker.close()
