"""What `headscope check` prints: tables for people, flips with their links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from headscope.analysis.counts import plural
from headscope.analysis.printable import visible
from headscope.analysis.statistics import check_rules
from headscope.cli.terminal import Console
from headscope.jobs.check_report import flip_lines
from headscope.jobs.regression import FLIPPED, LISTED, Checked, Evidence, no_toxicity

if TYPE_CHECKING:
    from headscope.analysis.statistics.regression import Comparison, Flip


def print_table(checked: Checked, server: str) -> None:
    """The comparison for a person."""
    console, compared, found = Console(), checked.compared, checked.compared.found
    alone = f"; {found.only_baseline} only in the baseline, {found.only_candidate} only in the candidate"
    console.print(
        f"{plural(found.n, 'prompt')} in both{alone if found.only_baseline or found.only_candidate else ''}.\n"
    )
    _print_changes(console, found)
    for name, title in FLIPPED.items():
        if flips := getattr(found, name):
            _print_flips(console, title, flips, server, checked.evidence)
    console.print(found.states.said(), soft_wrap=True)
    if checked.unmeasured:
        console.print(f"Not measured in both: {', '.join(checked.unmeasured)}.", style="dim")
    if compared.without:
        console.print(f"{no_toxicity(compared, ('toxicity',))}", style="dim", soft_wrap=True)
    if compared.judge:
        console.print(f"Toxicity: scores by {compared.judge}, which judged both.", style="dim")
    untested = [v.said for v in checked.verdicts if v.failed is None and v.name not in checked.unmeasured]
    for said in untested:
        console.print(Text(f"Not judged: {said}"), soft_wrap=True)
    if checked.regressions:
        console.print(Text("Worse than the baseline", style="bold red"))
        for line in checked.regressions:
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


def _print_flips(console: Console, title: str, flips: Sequence[Flip], server: str, evidence: Evidence) -> None:
    shown = flips[:LISTED]
    console.print(f"{title}: {len(flips)}{f', the first {len(shown)}' if len(flips) > len(shown) else ''}")
    for line in flip_lines(shown, server, evidence):
        console.print(f"  {line}", soft_wrap=True)
    console.print()
