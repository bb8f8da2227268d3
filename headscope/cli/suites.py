"""`headscope suites`: the scores of published sets, as their papers define them."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
import typer
from rich.table import Table

from headscope.analysis.errors import InputError
from headscope.cli.options import DEFAULT_STORE, StoreOption
from headscope.cli.store import Format
from headscope.cli.terminal import Console
from headscope.storage import export, served
from headscope.storage.columns.values import number
from headscope.storage.sql import readonly

if TYPE_CHECKING:
    from headscope.analysis.suites.base import ScoreCases, Scored, ScoreRuns, Suite
    from headscope.storage.read.suite_runs import ModelRuns

app = typer.Typer(help="Scores of published sets (docs/suites.md).", no_args_is_help=True)
MOST_RUNS = 1_000_000
SECONDS = 600.0


@app.command("list")
def list_suites() -> None:
    """The sets that have scores, and what the scores are called."""
    from headscope.analysis.suites import SUITES

    table = Table(box=None, pad_edge=False)
    for heading in ("format", "scores", "paper", "reads"):
        table.add_column(heading, overflow="fold")
    for suite in SUITES.values():
        reads = "runs" if suite.score else "a classifier's scores (--scores)"
        table.add_row(suite.name, ", ".join(suite.definitions), suite.paper, reads)
    Console().print(table)


@app.command()
def score(
    format: Annotated[str, typer.Argument(help="A format (see `headscope suites list`).")],  # noqa: A002
    experiment: Annotated[str | None, typer.Option(help="The experiment whose runs are scored.")] = None,
    store: StoreOption = DEFAULT_STORE,
    prompts: Annotated[
        str | None, typer.Option(help="With --scores: the prompts, as for `headscope run`, like hatecheck:FILE.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="A classifier's scores from 0 to 1: csv or jsonl with columns id and score.")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print the scores.")] = Format.TABLE,
) -> None:
    """Print the scores of a published set over runs of its prompts, or over a classifier's scores."""
    from headscope.analysis import suites

    suite = suites.suite(format)
    if suite.score_cases is not None:
        found = _of_cases(suite, suite.score_cases, prompts, scores)
    elif suite.score is not None and prompts is None and scores is None:
        found = _of_runs(suite, suite.score, experiment, store)
    else:
        raise InputError(f"{suite.name} is scored from runs: leave out --prompts and --scores, say --experiment NAME.")
    if output is Format.TABLE:
        for model, scored in found:
            _print(suite, model, scored)
        _print_definitions(suite)
    else:
        sys.stdout.buffer.write(export.to_format(_table(suite, found), output.value))
        sys.stdout.buffer.flush()


def _of_runs(suite: Suite, score_runs: ScoreRuns, experiment: str | None, store: str) -> list[tuple[str, Scored]]:
    from headscope.storage.read import suite_runs

    if experiment is None:
        raise InputError(
            f"say whose runs to score: --experiment NAME, after `headscope run --prompts {suite.name}:PATH`."
        )
    statement = suite_runs.statement(experiment, suite.name)
    found = suite_runs.of_table(_ask(store, statement))
    if not found:
        raise InputError(
            f"experiment {experiment!r} has no runs of {suite.name} prompts in this store. Run some first: "
            f"headscope run --prompts {suite.name}:PATH --experiment {experiment}"
        )
    return [(item.model, _scored(score_runs, item)) for item in found]


def _scored(score_runs: ScoreRuns, found: ModelRuns) -> Scored:
    scored = score_runs(found.runs)
    return replace(scored, left_out={**scored.left_out, "prompts whose run failed": found.failed})


def _ask(store: str, statement: str) -> pa.Table:
    """From the file or database, or from the server that holds the file."""
    server = served.server_of(store)
    if server is not None:
        table, truncated = server.sql(statement, limit=MOST_RUNS, timeout=SECONDS)
    else:
        result = readonly.run(store, statement, limit=MOST_RUNS, timeout=SECONDS)
        table, truncated = result.table, result.truncated
    if truncated:
        raise InputError("these are too many runs to score at once: use experiments of fewer prompts (--limit).")
    return table


def _of_cases(
    suite: Suite, score_cases: ScoreCases, prompts: str | None, scores: Path | None
) -> list[tuple[str, Scored]]:
    from headscope.analysis.suites.base import Case
    from headscope.datasets import prompt_sets
    from headscope.datasets.scores import read_scores, unknown

    if prompts is None or scores is None:
        raise InputError(
            f"{suite.name} scores a classifier: say --prompts {suite.name}:PATH and --scores FILE, a csv or jsonl file "
            "with columns id (of the prompt) and score (0 to 1), a row for each text that was scored."
        )
    loaded, found = prompt_sets.load(prompts).prompts, read_scores(scores)
    if strangers := unknown(loaded, found):
        raise InputError(f"{scores}: {len(strangers)} ids are of no prompt in {prompts}, for example {strangers[0]!r}.")
    cases = [Case(prompt.id, prompt.group, prompt.tags, found.get(prompt.id, ())) for prompt in loaded]
    return [(scores.stem, score_cases(cases))]


def _table(suite: Suite, found: list[tuple[str, Scored]]) -> pa.Table:
    rows = [
        {
            "suite": suite.name, "model": model, "score": item.name, "subset": item.subset, "value": number(item.value),
            "low": number(item.low), "high": number(item.high), "n": item.n, "items": suite.items,
            "definition": suite.definitions[item.name],
        }
        for model, scored in found
        for item in scored.scores
    ]  # fmt: skip
    return pa.Table.from_pylist(rows)


def _print(suite: Suite, model: str, scored: Scored) -> None:
    console = Console()
    console.print(f"{suite.label} ({suite.paper}), {model}", style="bold")
    table = Table(box=None, pad_edge=False)
    for heading in ("score", "subset", "value", "95 % interval", f"n ({suite.items})"):
        table.add_column(heading, overflow="fold")
    for item in scored.scores:
        interval = f"{item.low:.3f} to {item.high:.3f}" if math.isfinite(item.low) else "too few"
        value = f"{item.value:.3f}" if math.isfinite(item.value) else "not measured"
        table.add_row(item.name, item.subset, value, interval, str(item.n))
    console.print(table)
    for reason, count in scored.left_out.items():
        if count:
            console.print(f"left out {count}: {reason}", style="yellow", soft_wrap=True)
    console.print()


def _print_definitions(suite: Suite) -> None:
    console = Console()
    for name, definition in suite.definitions.items():
        console.print(f"{name}: {definition}")
