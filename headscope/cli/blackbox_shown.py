"""What `headscope blackbox --test` prints when it is done: the numbers of the card *Tests of answers*."""

from __future__ import annotations

import math

from rich.table import Table

from headscope.analysis.blackbox.answer_rows import SHARE, AnswerRow
from headscope.analysis.counts import plural
from headscope.cli.terminal import Console
from headscope.jobs.answer_tests import Tested, tested
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter

HEADS = ("test", "", "value", "95 % interval", "answers", "questions")


def show_tests(url: str, experiment: str, model: str) -> None:
    """A table over all runs of the model in the experiment, on standard output; nothing where none was tested."""
    where = RunFilter((Condition("experiment", "eq", experiment), Condition("model", "eq", model)))
    with Store.open(url, create=False) as store:
        found, read, total = tested(store, where)
    console = Console()
    for one in found:
        _print(console, experiment, one)
    if read < total:
        console.print(f"A fixed random sample: {read:,} of {total:,} findings.", soft_wrap=True)


def _print(console: Console, experiment: str, found: Tested) -> None:
    console.print(f"Tests of answers: {found.model} in {experiment}, {plural(found.runs, 'run')}", style="bold",
                  soft_wrap=True)  # fmt: skip
    if not found.rows:
        console.print("No test has an answer to compare with.")
        return
    table = Table(box=None, pad_edge=False)
    for head in HEADS:
        table.add_column(head, justify="left" if head in HEADS[:2] else "right")
    for row in found.rows:
        unit = "" if row.unit == SHARE else f" ({row.unit})"
        table.add_row(row.test, row.subset + unit, _value(row), _interval(row), f"{row.n:,}", f"{row.of:,}")
    console.print(table)
    methods = "; ".join(dict.fromkeys(row.method for row in found.rows))
    console.print(f"Intervals: {methods}; below 5 questions none.", soft_wrap=True)


def _value(row: AnswerRow) -> str:
    if math.isnan(row.value):
        return "-"
    if row.unit == SHARE:
        return f"{100 * row.value:.0f} %"
    return format(row.value, "+.2f" if "minus" in row.subset else ".2f")


def _interval(row: AnswerRow) -> str:
    if math.isnan(row.low) or math.isnan(row.high):
        return "too few"
    if row.unit == SHARE:
        return f"[{100 * row.low:.0f}, {100 * row.high:.0f}]"
    return f"[{row.low:.2f}, {row.high:.2f}]"
