"""`headscope check`: has a model become worse, does it pass its tests? For a person or for CI."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headscope.analysis.errors import InputError
from headscope.analysis.models.embedded import NAME as EMBEDDED
from headscope.analysis.statistics import check_rules
from headscope.analysis.statistics.behaviour_tests import KINDS
from headscope.cli.check_junit import junit
from headscope.cli.check_shown import FLIPPED, link, no_toxicity, print_table, report
from headscope.cli.options import DEFAULT_STORE, ShowOffensive, StoreOption

if TYPE_CHECKING:
    from headscope.analysis.statistics.regression import Comparison, Flip
    from headscope.storage.interfaces import RunReader

REGRESSION = 3
"""Exit status of a regression; 1 is an error, 2 a wrong option."""


class Report(StrEnum):
    """How to print the comparison."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


def check(
    baseline: Annotated[str, typer.Option(help="The experiment to measure against: NAME or NAME@MODEL.")] = "",
    candidate: Annotated[str, typer.Option(help="The experiment in question: NAME or NAME@MODEL.")] = "",
    suite: Annotated[
        Path | None, typer.Option(help="Instead of two experiments: a file of behaviour tests to run over --model.")
    ] = None,
    model: Annotated[str, typer.Option(help="With --suite: a model's name or folder.")] = EMBEDDED,
    fail_on: Annotated[
        str,
        typer.Option(
            help=f"What counts as a regression, NAME or NAME:ALLOWED: {', '.join(check_rules.RULES)}; "
            f"with --suite: {', '.join(KINDS)}.",
            show_default=f"{','.join(check_rules.DEFAULT)}; with --suite what the file allows",
        ),
    ] = "",
    store: StoreOption = DEFAULT_STORE,
    server: Annotated[str, typer.Option(help="Where links to the runs point.")] = "http://127.0.0.1:8050",
    output: Annotated[Report, typer.Option("--format", help="How to print the comparison.")] = Report.TABLE,
    show_offensive: ShowOffensive = False,
) -> None:
    """Compare two experiments prompt by prompt, or run a suite of tests over a model; exit status 3 when the candidate
    is worse, or a test fails."""
    server = server.rstrip("/")
    if suite is not None:
        if baseline or candidate:
            raise typer.BadParameter("--suite runs a model by itself: leave out --baseline and --candidate.")
        broken = _suite(suite, model, fail_on, store, server, output, show_offensive)
    elif not (baseline and candidate):
        raise typer.BadParameter("say --baseline and --candidate, or --suite FILE.")
    else:
        broken = _compare(baseline, candidate, fail_on, store, server, output, show_offensive)
    raise typer.Exit(REGRESSION if broken else 0)


def _suite(path: Path, model: str, fail_on: str, store: str, server: str, output: Report, show_offensive: bool) -> bool:
    from headscope.cli import check_suite

    found = check_suite.run(path, model, fail_on, store, show_offensive=show_offensive)
    check_suite.print_as(output.value, found, path.stem, server)
    return any(item.verdict.failed for item in found)


def _compare(
    baseline: str, candidate: str, fail_on: str, store: str, server: str, output: Report, show_offensive: bool
) -> bool:
    from headscope.analysis.statistics import regression
    from headscope.jobs import snapshot
    from headscope.jobs.parting import parted
    from headscope.storage.repository import Store

    rules = check_rules.parse(fail_on or ",".join(check_rules.DEFAULT))
    with Store.open(store, create=False) as opened:
        sides = snapshot.sides(opened, baseline, candidate)
        found = regression.compare(sides.baseline, sides.candidate)
        found = replace(found, states=parted(opened, sides.baseline, sides.candidate, (baseline, candidate)))
        found = found if show_offensive else covered(found, opened)
    if not found.n:
        raise InputError(f"{baseline} and {candidate} have no prompt in common: run the same prompt sets in both.")
    missing = check_rules.unmeasured(rules, found)
    if missing and fail_on:
        raise InputError(
            f"nothing is known about {', '.join(missing)} in both experiments, so --fail-on cannot judge it. "
            f"{no_toxicity(sides, missing)} Bias needs pairs of groups, states the analysis layers."
        )
    broken = check_rules.broken(rules, found)
    if output is Report.JSON:
        more = {"regressions": broken, "unmeasured": missing, "toxicity_by": sides.judge}
        linked = {
            name: [{**asdict(flip), "link": link(flip, server)} for flip in getattr(found, name)] for name in FLIPPED
        }
        typer.echo(json.dumps({**asdict(found), **linked, **more}, default=str))
    elif output is Report.JUNIT:
        verdicts = check_rules.verdicts(rules, found)
        typer.echo(junit(f"{baseline} to {candidate}", verdicts, report(found, server)))
    else:
        print_table(found, broken, missing, server, sides)
    return bool(broken)


def covered(found: Comparison, store: RunReader) -> Comparison:
    """The same without the offensive texts among what flipped."""
    flips = [flip for name in FLIPPED for flip in getattr(found, name)]
    why = store.offensive([run_id for flip in flips for run_id in (flip.baseline_run, flip.candidate_run)])

    def cover(flip: Flip) -> Flip:
        parts = {**why.get(flip.baseline_run, {}), **why.get(flip.candidate_run, {})}
        change: dict[str, Any] = {"text": f"[covered: {parts['prompt'].said}]"} if "prompt" in parts else {}
        if "continuation" in parts:
            change |= dict.fromkeys(("baseline", "candidate"), f"[covered: {parts['continuation'].said}]")
        return replace(flip, **change)

    change: dict[str, Any] = {name: tuple(map(cover, getattr(found, name))) for name in FLIPPED}
    return replace(found, **change)
