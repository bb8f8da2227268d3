"""What a terminal shows of a run: what it will need, how far it is and how it ended."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from headscope.analysis import types as kinds
from headscope.analysis.counts import plural
from headscope.analysis.running.preflight import Preflight
from headscope.cli.terminal import Console
from headscope.jobs.job import JobOutcome

FIRST_SIGN = 0.05
"""So much of a prompt is done before its speed says anything about the rest."""


class Bar:
    """A progress bar with rate and time left; plain lines when stderr is no terminal. Used as a context."""

    def __init__(self, console: Console) -> None:
        self._console, self._next_line = console, 0.0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("loading model", total=None, detail="")

    def __enter__(self) -> Callable[[str, kinds.Progress], None]:
        self._progress.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _show(self, job_id: str, now: kinds.Progress) -> None:
        detail = f"{now.cached} from the store  {now.failed} failed"
        if now.done + now.begun - now.cached > FIRST_SIGN:
            detail = f"{_rate(now.rate)}  {_clock(now.seconds_left)} left  {detail}"
        completed = now.done + now.begun
        self._progress.update(
            self._task, description=now.stage or "analysing", total=now.total, completed=completed, detail=detail
        )
        if not self._console.is_terminal and (now.seconds >= self._next_line or now.done == now.total):
            at = f" (and {now.begun:.1f} in work, at {now.stage})" if now.begun else ""
            self._console.print(f"{now.done}/{now.total}{at}  {detail}")
            self._next_line = now.seconds + 5


def _rate(per_second: float) -> str:
    return f"{per_second:.1f} prompts/s" if per_second >= 1 else f"{60 * per_second:.1f} prompts/min"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def announce(console: Console, needs: Preflight) -> None:
    """What a request will need, before it starts."""
    memory, stored = f"{needs.memory_bytes / 1e9:.2g} GB", f"{needs.stored_bytes / 1e6:,.0f} MB"
    took = (
        f", at most {needs.passes:,.0f} forward passes each (one worker: {_clock(needs.seconds)} min)"
        if needs.seconds
        else ""
    )
    console.print(
        f"{plural(needs.n_prompts, 'prompt')} in {plural(needs.n_batches, 'batch', 'batches')}, the longest of "
        f"{plural(needs.longest, 'token')}{took}: "
        f"up to {memory} of memory beside the model, about {stored} to store.",
        soft_wrap=True,
    )
    if needs.warning:
        console.print(f"warning: {needs.warning}.", style="yellow", soft_wrap=True)


def report(console: Console, outcome: JobOutcome, store: str, again: str = "headscope run --resume") -> None:
    """How a request ended, and what its runs lack. again: the command that goes on with a cancelled one."""
    now = outcome.progress
    computed = now.done - now.cached
    console.print(
        f"{now.done} of {now.total} prompts stored in {_store_shown(store)}: {computed - now.failed} succeeded, "
        f"{now.failed} failed, {now.cached} already there.",
        soft_wrap=True,
    )
    for warning in now.warnings:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    for sentence in now.missing:
        console.print(f"  {sentence}", style="yellow", soft_wrap=True)
    if now.failed:
        console.print(
            "why: headscope sql \"SELECT error_kind, error, text FROM runs WHERE status = 'failed'\"",
            soft_wrap=True,
        )
    if outcome.status is kinds.RunStatus.CANCELLED:
        console.print(f"go on with: {again}")


def _store_shown(store: str) -> str:
    """Without the user and password of a database address."""
    return store.rsplit("@", maxsplit=1)[-1]
