"""How the scores of a published set are printed: tables for people, rows for programs."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from rich.table import Table

from headscope.cli.store import Format
from headscope.cli.terminal import Console
from headscope.storage import export
from headscope.storage.columns.values import number

if TYPE_CHECKING:
    from headscope.analysis.suites.base import Score, Scored, Suite

Found = Sequence[tuple[str, "Scored"]]
"""What was scored (a model, a classifier), and its scores."""
HUNDRED = 1.5
"""Scores above are percents, which need one digit less."""


def show(suite: Suite, found: Found, output: Format) -> None:
    """Print on standard output."""
    if output is Format.TABLE:
        for model, scored in found:
            _print(suite, model, scored)
        _print_notes(suite)
    else:
        sys.stdout.buffer.write(export.to_format(rows(suite, found), output.value))
        sys.stdout.buffer.flush()


def rows(suite: Suite, found: Found) -> pa.Table:
    """One row a score; NaN becomes null."""
    printed = suite.in_print
    return pa.Table.from_pylist(
        [
            {
                "suite": suite.name, "model": model, "score": item.name, "subset": item.subset,
                "value": number(item.value), "low": number(item.low), "high": number(item.high), "n": item.n,
                "items": suite.items, "chance": number(suite.chance(item)), "in_print": number(suite.printed(item)),
                "in_print_model": printed.model if printed else None, "definition": suite.definitions[item.name],
            }
            for model, scored in found
            for item in scored.scores
        ]
    )  # fmt: skip


def _print(suite: Suite, model: str, scored: Scored) -> None:
    console = Console()
    console.print(f"{suite.label} ({suite.paper}), {model}", style="bold")
    has_chance = any(math.isfinite(suite.chance(item)) for item in scored.scores)
    has_print = any(math.isfinite(suite.printed(item)) for item in scored.scores)
    table = Table(box=None, pad_edge=False)
    table.add_column("score", overflow="fold")
    table.add_column("subset", overflow="fold")
    for heading in (
        "value",
        "95 % interval",
        *["chance"] * has_chance,
        f"n ({suite.items})",
        *["in print"] * has_print,
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for item in scored.scores:
        chance, printed = [_said(suite.chance(item))] * has_chance, [_said(suite.printed(item))] * has_print
        value = _said(item.value, "not measured")
        table.add_row(item.name, item.subset, value, _interval(item), *chance, f"{item.n:,}", *printed)
    console.print(table)
    for reason, count in scored.left_out.items():
        if count:
            console.print(f"left out {count:,}: {reason}", style="yellow", soft_wrap=True)
    console.print()


def _said(value: float, unknown: str = "-") -> str:
    return unknown if math.isnan(value) else f"{value:.1f}" if abs(value) > HUNDRED else f"{value:.3f}"


def _interval(item: Score) -> str:
    if not math.isfinite(item.low):
        return "too few"
    digits = 1 if max(abs(item.low), abs(item.high)) > HUNDRED else 3
    return f"{item.low:.{digits}f} to {item.high:.{digits}f}"


def _print_notes(suite: Suite) -> None:
    console = Console()
    for name, definition in suite.definitions.items():
        console.print(f"{name}: {definition}")
    if (printed := suite.in_print) is not None:
        console.print(f"in print: {printed.model}, {printed.source}. What differs: {printed.differs}.")
