"""`headscope check`: has a model become worse? Two experiments over the same prompts, for a person or for CI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from headscope.analysis.errors import InputError
from headscope.analysis.printable import visible
from headscope.analysis.statistics import check_rules
from headscope.cli.options import DEFAULT_STORE, ShowOffensive, StoreOption
from headscope.cli.terminal import Console

if TYPE_CHECKING:
    from headscope.analysis.statistics.regression import Comparison, Flip
    from headscope.jobs.snapshot import Sides
    from headscope.storage.interfaces import RunReader

REGRESSION = 3
"""Exit status of a regression; 1 is an error, 2 a wrong option."""
LISTED = 10
LONGEST = 60


class Report(StrEnum):
    """How to print the comparison."""

    TABLE = "table"
    JSON = "json"


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
            f"{_no_toxicity(sides, missing)} Bias needs pairs of groups."
        )
    broken = check_rules.broken(rules, found)
    if output is Report.JSON:
        more = {"regressions": broken, "unmeasured": missing, "toxicity_by": sides.judge}
        typer.echo(json.dumps({**asdict(found), **more}, default=str))
    else:
        _print(found, broken, missing, server.rstrip("/"), sides)
    raise typer.Exit(REGRESSION if broken else 0)


def _no_toxicity(sides: Sides, missing: Sequence[str]) -> str:
    """What toxicity would take."""
    if sides.without and "toxicity" in missing:
        return (
            f"Toxicity is compared by one classifier only, and {sides.without}: let one judge both, "
            "with `headscope score --experiment NAME --scorer NAME`."
        )
    return "Toxicity needs --max-new-tokens and the analysis toxicity."


def covered(found: Comparison, store: RunReader) -> Comparison:
    """The same without the offensive texts among what flipped."""
    names = ("broken", "failed", "mended")
    flips = [flip for name in names for flip in getattr(found, name)]
    why = store.offensive([run_id for flip in flips for run_id in (flip.baseline_run, flip.candidate_run)])

    def cover(flip: Flip) -> Flip:
        parts = {**why.get(flip.baseline_run, {}), **why.get(flip.candidate_run, {})}
        change: dict[str, Any] = {"text": f"[covered: {parts['prompt'].said}]"} if "prompt" in parts else {}
        if "continuation" in parts:
            change |= dict.fromkeys(("baseline", "candidate"), f"[covered: {parts['continuation'].said}]")
        return replace(flip, **change)

    change: dict[str, Any] = {name: tuple(map(cover, getattr(found, name))) for name in names}
    return replace(found, **change)


def _print(found: Comparison, broken: Sequence[str], missing: Sequence[str], server: str, sides: Sides) -> None:
    console = Console()
    alone = f"; {found.only_baseline} only in the baseline, {found.only_candidate} only in the candidate"
    console.print(f"{found.n} prompts in both{alone if found.only_baseline or found.only_candidate else ''}.\n")
    _print_changes(console, found)
    for title, flips in (("Broken", found.broken), ("Failed runs", found.failed), ("Mended", found.mended)):
        if flips:
            _print_flips(console, title, flips, server)
    if missing:
        console.print(f"Not measured in both: {', '.join(missing)}.", style="dim")
    if sides.without:
        console.print(f"{_no_toxicity(sides, ('toxicity',))}", style="dim", soft_wrap=True)
    if sides.judge:
        console.print(f"Toxicity: scores by {sides.judge}, which judged both.", style="dim")
    if broken:
        console.print(Text("Worse than the baseline", style="bold red"))
        for line in broken:
            console.print(f"  {line}", soft_wrap=True)
    else:
        console.print(Text("No regression by the rules asked for.", style="bold green"))


def _print_changes(console: Console, found: Comparison) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("measure", "baseline", "candidate", "change [95 %]", "adj. p", "n"):
        table.add_column(heading, justify="left" if heading == "measure" else "right", overflow="fold")
    for row in found.changes:
        effect = row.effect
        change = f"{effect.mean:+.3f} [{effect.low:+.3f}, {effect.high:+.3f}]"
        certain = row.adjusted_p < check_rules.LEVEL
        mark = Text(visible(f"{row.name} {row.part}".strip()), style="red" if certain and row.worse > 0 else "")
        table.add_row(mark, f"{row.baseline:.3f}", f"{row.candidate:.3f}", change.replace("nan", "–"),
                      f"{row.adjusted_p:.2g}{' *' if certain else ''}".replace("nan", "–"), str(effect.n))  # fmt: skip
    console.print(table)
    units = dict.fromkeys(f"{row.name}: {row.unit}" for row in found.changes)
    console.print(f"{'; '.join(units)}. * adjusted p < {check_rules.LEVEL}.\n", style="dim")


def _print_flips(console: Console, title: str, flips: Sequence[Flip], server: str) -> None:
    shown = flips[:LISTED]
    console.print(f"{title}: {len(flips)}{f', the first {len(shown)}' if len(flips) > len(shown) else ''}")
    for flip in shown:
        text = flip.text if len(flip.text) <= LONGEST else f"{flip.text[:LONGEST]}…"
        said = f"{flip.baseline!r} → {flip.candidate!r}"
        link = f"{server}/compare?a={flip.baseline_run}&b={flip.candidate_run}"
        console.print(f"  {flip.kind}: {text!r} {said}\n    {link}", soft_wrap=True)
    console.print()
