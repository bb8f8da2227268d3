"""`headscope score`: scores for runs that are stored already, by a classifier or a probe that reads texts."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from headscope.analysis import registry
from headscope.analysis.classifiers import rates
from headscope.analysis.errors import UnknownNameError
from headscope.cli.carry_out import EXIT_CANCELLED
from headscope.cli.options import DEFAULT_STORE, StoreOption
from headscope.cli.stop import Stop
from headscope.cli.terminal import Console
from headscope.cli.tone import print_tone
from headscope.jobs import scoring
from headscope.storage import private
from headscope.storage.notebook import Notebook
from headscope.storage.repository import Store
from headscope.storage.served import server_of

SECONDS = 3600
"""A server's batch at work comes first."""


def score(
    experiment: Annotated[str, typer.Option(help="The experiment whose runs are scored.")],
    scorer: Annotated[str, typer.Option(help=f"Who scores: {', '.join(registry.scorers())}.")] = "minilm",
    store: StoreOption = DEFAULT_STORE,
    again: Annotated[bool, typer.Option("--again", help="Also runs that it has scored: its scores replace those.")] = (
        False
    ),
) -> None:
    """Score the prompts and continuations of stored runs; no model runs again. Runs it has scored are left alone."""
    request = scoring.ScoreRequest(experiment, scorer, again)
    console = Console(stderr=True)
    stop = Stop(console)
    with ExitStack() as stack:
        one = _where(stack, store)
        done = scoring.score(one, request, stack.enter_context(_Bar(console)), stop)
    if scorer in registry.PROBES:
        print_tone(store, experiment, scorer)
    else:
        print_rates(store, experiment, done.classifier)
    told = "" if done.finished else ", and stopped: the same command goes on"
    why = f", {done.explained:,} called toxic and explained" if done.explained else ""
    console.print(f"{done.runs:,} runs scored now by {done.classifier}{why}{told}.", soft_wrap=True)
    if done.runs and scorer not in registry.PROBES:
        console.print(f"headscope detect --experiment {experiment} looks for failures with these scores.")
    if not done.finished:
        raise typer.Exit(EXIT_CANCELLED)


def _where(stack: ExitStack, url: str) -> Callable[[scoring.ScoreRequest], scoring.Step]:
    """A step here, or by the server that holds the file."""
    if (server := server_of(url)) is not None:
        return lambda request: scoring.Step(**server.call("POST", "/api/v1/score", asdict(request), SECONDS).json())
    from headscope.analysis.engines.here import inline_engine

    private.keep_to_this_user()
    store = stack.enter_context(Store.open(url, create=False))
    engine = stack.enter_context(closing(inline_engine()))
    return lambda request: scoring.step(engine, store, store, request)


def print_rates(url: str, experiment: str, classifier: str = "", percent: int = 0, by: str = "") -> None:
    """The rates of an experiment, of one classifier or all, with how they were worked out."""
    with Notebook(url, frame="arrow") as book:
        known = [row["name"] for row in book.sql("SELECT name FROM experiments").to_pylist()]
        if experiment not in known:
            raise UnknownNameError("experiment", experiment, known)
        rows = book.toxicity_rates(experiment, percent=percent, by=by).to_pylist()
    rows = [row for row in rows if classifier in ("", row["classifier"])]
    console, table = Console(), Table(box=None, pad_edge=False)
    heads = ("classifier", *([by] if by else []), "of", "label", "from", "texts", "flagged", "raw", "corrected", "mean")
    for head in heads:
        table.add_column(head, justify="left" if head in ("classifier", by, "of", "label") else "right")
    for row in rows:
        groups = [row["classifier"], *([row["group"] or "-"] if by else []), row["part"], row["label"]]
        counts = [f"{row['threshold']:.2f}", f"{row['n']:,}", f"{row['flagged']:,}"]
        table.add_row(*groups, *counts, *(_share(row, name) for name in ("raw", "corrected")), _number(row["mean"]))
    console.print(table if rows else f"{experiment} has no toxicity scores: headscope score --experiment {experiment}")
    for reason in dict.fromkeys(row["reason"] for row in rows if row["reason"]):
        console.print(f"No corrected rate where {reason}.", soft_wrap=True)
    if rows:
        console.print(f"{rates.METHOD} {rates.HOLDS}", soft_wrap=True)


def _share(row: dict[str, Any], name: str) -> str:
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if value is None or math.isnan(value):
        return "-"
    return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


class _Bar:
    """How many runs are scored; plain lines when stderr is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task("loading classifier", total=None)

    def __enter__(self) -> scoring.OnScored:
        self._progress.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _show(self, what: str, done: int, total: int) -> None:
        self._progress.update(self._task, description=what, completed=done, total=total)
        if not self._console.is_terminal:
            self._console.print(f"{what}: {done:,}/{total:,} runs")
