"""What commands that ask for runs do in the end: compute them, here or by the server that holds the store, and tell."""

from __future__ import annotations

import sys

from headscope.analysis.types import RunStatus
from headscope.cli import handover
from headscope.cli.run_shown import Bar, announce, report
from headscope.cli.stop import Stop
from headscope.cli.terminal import Console
from headscope.jobs.request import JobRequest

EXIT_CANCELLED = 130
ONCE_MORE = "the same command again"


def carry_out(
    request: JobRequest | None,
    store: str,
    workers: int = 1,
    *,
    job: str = "",
    again: str = ONCE_MORE,
    engines: handover.Engines | None = None,
) -> None:
    """Compute what the store has not; exits when it was stopped. Arguments as of `handover.run`; again: the command
    that goes on then."""
    console = Console(stderr=True)
    stop = Stop(console)
    with Bar(console) as on_progress:
        outcome = handover.run(
            store, request, on_progress, stop, workers, lambda needs: announce(console, needs), job,
            lambda told: console.print(f"going on with {told}", highlight=False, soft_wrap=True), engines,
        )  # fmt: skip
    report(console, outcome, store, again)
    if outcome.status is RunStatus.CANCELLED:
        sys.exit(EXIT_CANCELLED)
