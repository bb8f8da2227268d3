"""Analyses in worker processes on this machine, so that the process serving pages never loads torch.

Two workers, started when first needed: one for typed prompts, one for jobs, so that a long batch never delays the Live
page. Messages are pickled over a pipe that only the two processes hold.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from analysis.engines.base import Prepared
from analysis.engines.threads import yield_when_waiting
from analysis.errors import BackendError
from analysis.types import LiveRequest, LiveResult, Prompt, RunResult, RunSpec


def _worker_main(connection: Connection) -> None:
    """Body of a worker process; imports torch on its side of the border."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle: it lets the batch finish
    yield_when_waiting()
    from analysis.engines.worker import serve

    serve(connection)


class Worker:
    """One worker process. Calls from several threads queue up; a dead process is replaced at the next call."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def call(self, kind: str, *arguments: Any) -> Any:
        """Send one request and wait for its answer.

        Raises what the worker raised, or BackendError when the process ended.
        """
        with self._lock:
            connection = self._connect()
            try:
                connection.send((kind, arguments))
                ok, answer = connection.recv()
            except (EOFError, OSError) as error:
                raise BackendError(self._obituary()) from error
        if ok:
            return answer
        raise answer

    def _connect(self) -> Connection:
        if self._connection is None or self._process is None or not self._process.is_alive():
            self.close()
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(
                target=_worker_main, args=(theirs,), name=f"headscope-{self._name}", daemon=True
            )
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


class LocalEngine:
    """An Engine over two worker processes."""

    def __init__(self) -> None:
        self._jobs = Worker("jobs")
        self._live = Worker("live")

    def prepare(self, spec: RunSpec, batch_size: int) -> Prepared:
        """See `Engine.prepare`."""
        answer: Prepared = self._jobs.call("prepare", spec, batch_size)
        return answer

    def run_batch(self, spec: RunSpec, prompts: Sequence[Prompt]) -> list[RunResult]:
        """See `Engine.run_batch`."""
        answer: list[RunResult] = self._jobs.call("run_batch", spec, tuple(prompts))
        return answer

    def live(self, request: LiveRequest) -> LiveResult:
        """See `Engine.live`."""
        answer: LiveResult = self._live.call("live", request)
        return answer

    def close(self) -> None:
        """See `Engine.close`."""
        self._live.close()
        self._jobs.close()
