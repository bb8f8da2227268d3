"""`headscope suites`: the scores of published sets, as their papers define them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
import typer
from rich.table import Table

from headscope.analysis.counts import plural
from headscope.analysis.errors import InputError
from headscope.cli import suite_tables
from headscope.cli.options import DEFAULT_STORE, StoreOption
from headscope.cli.store import Format
from headscope.cli.suite_tables import Found
from headscope.cli.terminal import Console
from headscope.storage import served
from headscope.storage.sql import readonly

if TYPE_CHECKING:
    from headscope.analysis.suites.base import ScoreCases, Scored, ScoreRuns, Suite
    from headscope.storage.read.suite_runs import ModelRuns, Texts

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
        table.add_row(suite.name, ", ".join(suite.definitions), suite.paper, _reads(suite))
    Console().print(table)


def _reads(suite: Suite) -> str:
    if suite.score is not None:
        return "runs"
    return "toxicity of continuations, stored or in a file" if suite.asks else "a classifier"


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
    if suite.score_cases is not None and not (experiment and suite.asks):
        found = of_file(suite, suite.score_cases, prompts, scores)
    elif prompts is None and scores is None:
        found = of_store(suite, experiment, store)
    else:
        raise InputError(f"{suite.name} is scored from runs: leave out --prompts and --scores, say --experiment NAME.")
    suite_tables.show(suite, found, output)


def of_store(suite: Suite, experiment: str | None, store: str, texts: Texts | None = None) -> Found:
    """The scores of every model of an experiment; of `texts` (prompt id -> text), of those prompts only.

    Raises InputError when it has none.
    """
    from headscope.storage.read import suite_cases, suite_runs

    if experiment is None:
        raise InputError(f"say whose runs to score: --experiment NAME, after `headscope suites run {suite.name} FILE`.")
    found: list[tuple[str, Scored]] = []
    if suite.score is not None:
        table = _ask(store, suite_runs.statement(experiment, suite.name))
        found = [(item.model, _scored(suite.score, item)) for item in suite_runs.of_table(table, texts)]
    elif suite.score_cases is not None:
        table = _ask(store, suite_cases.statement(experiment, suite.name))
        found = [(item.model, suite.score_cases(item.cases)) for item in suite_cases.of_table(table, texts)]
    if not found:
        what = " with scored continuations" if suite.asks else ""
        raise InputError(
            f"experiment {experiment!r} has no runs of {suite.name} prompts{what} in this store. Run some first: "
            f"headscope suites run {suite.name} FILE --experiment {experiment}"
        )
    return found


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


def of_file(suite: Suite, score_cases: ScoreCases, prompts: str | None, scores: Path | None) -> Found:
    """The scores over what a classifier said, from a file."""
    from headscope.analysis.suites.base import Case
    from headscope.datasets import prompt_sets
    from headscope.datasets.scores import read_scores, unknown

    if prompts is None or scores is None:
        raise InputError(
            f"{suite.name} scores a classifier: say --prompts {suite.name}:PATH and --scores FILE, a csv or jsonl file "
            "with columns id (of the prompt) and score (0 to 1), a row for each text that was scored"
            + (", or --experiment NAME for scores that the store has." if suite.asks else ".")
        )
    loaded, found = prompt_sets.load(prompts).prompts, read_scores(scores)
    if strangers := unknown(loaded, found):
        n = plural(len(strangers), "id")
        raise InputError(f"{scores} has {n} of no prompt in {prompts}, for example {strangers[0]!r}.")
    cases = [Case(prompt.id, prompt.group, prompt.tags, found.get(prompt.id, ())) for prompt in loaded]
    return [(scores.stem, score_cases(cases))]
