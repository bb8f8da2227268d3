"""What `headscope check` prints: tables for people, flips with their links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from headscope.analysis.counts import plural
from headscope.analysis.printable import visible
from headscope.analysis.statistics import check_rules
from headscope.cli.terminal import Console

if TYPE_CHECKING:
    from headscope.analysis.statistics.regression import Comparison, Flip
    from headscope.jobs.snapshot import Sides

LISTED = 10
LONGEST = 60
FLIPPED = {"broken": "Broken", "failed": "Failed runs", "mended": "Mended"}


def no_toxicity(sides: Sides, missing: Sequence[str]) -> str:
    """What toxicity would take."""
    if sides.without and "toxicity" in missing:
        return (
            f"Toxicity is compared by one classifier only, and {sides.without}: let one judge both, "
            "with `headscope score --experiment NAME --scorer NAME`."
        )
    return "Toxicity needs --max-new-tokens and the analysis toxicity."


def link(flip: Flip, server: str) -> str:
    """Both runs side by side."""
    return f"{server}/compare?a={flip.baseline_run}&b={flip.candidate_run}"


def flip_lines(flips: Sequence[Flip], server: str) -> Iterator[str]:
    """Two lines for each flip: what changed, and where to look."""
    for flip in flips:
        text = flip.text if len(flip.text) <= LONGEST else f"{flip.text[:LONGEST]}…"
        yield f"{flip.kind}: {text!r} {flip.baseline!r} → {flip.candidate!r}"
        yield f"  {link(flip, server)}"


def report(found: Comparison, server: str) -> Iterator[str]:
    """Everything that flipped, the furthest fall first, with links; and where the states part."""
    yield f"{plural(found.n, 'prompt')} in both"
    yield found.states.said()
    for name, title in FLIPPED.items():
        if flips := getattr(found, name):
            yield f"{title}: {len(flips)}"
            yield from flip_lines(flips, server)


def print_table(found: Comparison, broken: Sequence[str], missing: Sequence[str], server: str, sides: Sides) -> None:
    """The comparison for a person."""
    console = Console()
    alone = f"; {found.only_baseline} only in the baseline, {found.only_candidate} only in the candidate"
    console.print(
        f"{plural(found.n, 'prompt')} in both{alone if found.only_baseline or found.only_candidate else ''}.\n"
    )
    _print_changes(console, found)
    for name, title in FLIPPED.items():
        if flips := getattr(found, name):
            _print_flips(console, title, flips, server)
    console.print(found.states.said(), soft_wrap=True)
    if missing:
        console.print(f"Not measured in both: {', '.join(missing)}.", style="dim")
    if sides.without:
        console.print(f"{no_toxicity(sides, ('toxicity',))}", style="dim", soft_wrap=True)
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
    for line in flip_lines(shown, server):
        console.print(f"  {line}", soft_wrap=True)
    console.print()
