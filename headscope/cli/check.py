"""`headscope check`: has a model become worse? Two experiments over the same prompts, for a person or for CI."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headscope.analysis.errors import InputError
from headscope.analysis.statistics import check_rules
from headscope.cli.check_junit import junit
from headscope.cli.check_shown import FLIPPED, link, no_toxicity, print_table
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
    baseline: Annotated[str, typer.Option(help="The experiment to measure against: NAME or NAME@MODEL.")],
    candidate: Annotated[str, typer.Option(help="The experiment in question: NAME or NAME@MODEL.")],
    fail_on: Annotated[
        str, typer.Option(help=f"What counts as a regression, NAME or NAME:ALLOWED: {', '.join(check_rules.RULES)}.")
    ] = ",".join(check_rules.DEFAULT),
    store: StoreOption = DEFAULT_STORE,
    server: Annotated[str, typer.Option(help="Where links to the runs point.")] = "http://127.0.0.1:8050",
    output: Annotated[Report, typer.Option("--format", help="How to print the comparison.")] = Report.TABLE,
    show_offensive: ShowOffensive = False,
) -> None:
    """Compare two experiments prompt by prompt; exit status 3 when the candidate is worse."""
    from headscope.analysis.statistics import regression
    from headscope.jobs import snapshot
    from headscope.storage.repository import Store

    rules = check_rules.parse(fail_on)
    with Store.open(store, create=False) as opened:
        sides = snapshot.sides(opened, baseline, candidate)
        found = regression.compare(sides.baseline, sides.candidate)
        found = found if show_offensive else covered(found, opened)
    if not found.n:
        raise InputError(f"{baseline} and {candidate} have no prompt in common: run the same prompt sets in both.")
    missing = check_rules.unmeasured(rules, found)
    if missing and fail_on != ",".join(check_rules.DEFAULT):
        raise InputError(
            f"nothing is known about {', '.join(missing)} in both experiments, so --fail-on cannot judge it. "
            f"{no_toxicity(sides, missing)} Bias needs pairs of groups."
        )
    broken = check_rules.broken(rules, found)
    server = server.rstrip("/")
    if output is Report.JSON:
        more = {"regressions": broken, "unmeasured": missing, "toxicity_by": sides.judge}
        linked = {
            name: [{**asdict(flip), "link": link(flip, server)} for flip in getattr(found, name)] for name in FLIPPED
        }
        typer.echo(json.dumps({**asdict(found), **linked, **more}, default=str))
    elif output is Report.JUNIT:
        typer.echo(junit(found, check_rules.verdicts(rules, found), f"{baseline} to {candidate}", server))
    else:
        print_table(found, broken, missing, server, sides)
    raise typer.Exit(REGRESSION if broken else 0)


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
