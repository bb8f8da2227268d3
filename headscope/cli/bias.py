"""`headscope bias`: what the difference between groups does to a measure, printed and kept for SQL."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import pyarrow as pa
import typer
from rich.table import Table

from headscope.analysis.counts import plural
from headscope.analysis.statistics.effect_rows import EffectRow
from headscope.cli.options import DEFAULT_STORE, StoreOption
from headscope.cli.terminal import Console
from headscope.jobs.bias import BiasRequest, BiasTable, compare, from_json
from headscope.storage import export, private
from headscope.storage.notebook import EFFECTS
from headscope.storage.repository import Store
from headscope.storage.rows import PAIR_MEASURES
from headscope.storage.served import server_of

SECONDS = 3600
"""A server's batch at work comes first."""
LEVEL = 0.05
HEADS = ("groups", "effect", "95 % interval", "p", "adjusted p", "d", "pairs", "wordings", "fillers", "of", "model")


def bias(
    experiment: Annotated[str, typer.Option(help="The experiment whose counterfactual pairs are compared.")],
    measure: Annotated[str, typer.Option(help=f"What is compared: {', '.join(PAIR_MEASURES)}.")] = "margin",
    store: StoreOption = DEFAULT_STORE,
    csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values with every number whole.")] = False,
) -> None:
    """Compare groups within stored counterfactual pairs, as the Bias page does, and keep the effects for SQL
    (`v_bias_effects`); no model runs."""
    found = _found(store, BiasRequest(experiment, measure))
    if csv:
        rows = pa.Table.from_pylist([asdict(row) for row in found.rows], EFFECTS)
        sys.stdout.buffer.write(export.to_format(rows, "csv"))
        sys.stdout.buffer.flush()
    elif found.rows:
        _print(found)
    told = Console(stderr=True)
    if not found.rows:
        none = "a pair is two or more succeeded runs with one pair_id and different groups (docs/behaviour.md)"
        told.print(f"{experiment} has no pairs with {measure}: {none}.", soft_wrap=True)
    told.print(f'{plural(len(found.rows), "row")} kept in bias_results: headscope sql "SELECT * FROM v_bias_effects".')


def _found(url: str, request: BiasRequest) -> BiasTable:
    """Worked out here, or by the server that holds the file."""
    if (server := server_of(url)) is not None:
        return from_json(server.call("POST", "/api/v1/bias", asdict(request), SECONDS).json())
    private.keep_to_this_user()
    with Store.open(url, create=False) as store:
        return compare(store, store, request)


def _print(found: BiasTable) -> None:
    console, table = Console(), Table(box=None, pad_edge=False)
    for head in HEADS:
        table.add_column(head, justify="left" if head in ("groups", "of", "model") else "right")
    for row in found.rows:
        table.add_row(*_cells(row), style="bold" if _marked(row) else "")
    console.print(table)
    marked = sum(map(_marked, found.rows))
    sample = f", a fixed sample of {found.of_runs:,}" if found.runs < found.of_runs else ""
    judge = f" Judged by {found.judge}." if found.judge else ""
    console.print(f"{marked} of {len(found.rows)} contrasts are marked (*): adjusted p below {LEVEL:g}. From "
                  f"{found.runs:,} runs{sample}.{judge}", soft_wrap=True)  # fmt: skip
    for method in dict.fromkeys(row.method for row in found.rows):
        console.print(f"{_rows(sum(row.method == method for row in found.rows))}: {method}.", soft_wrap=True)


def _cells(row: EffectRow) -> tuple[str, ...]:
    interval = "-" if row.low is None or row.high is None else f"[{row.low:+.3f}, {row.high:+.3f}]"
    return (
        f"{'* ' if _marked(row) else ''}{row.group_a} - {row.group_b}", _number(row.effect, "+.3f"), interval,
        _number(row.p, ".4f"), _number(row.adjusted_p, ".4f"), _number(row.size, "+.2f"), f"{row.n_pairs:,}",
        f"{row.wordings:,}", f"{row.fillers:,}", " / ".join(filter(None, (row.prompt_set, row.attribute))), row.model,
    )  # fmt: skip


def _marked(row: EffectRow) -> bool:
    return row.adjusted_p is not None and row.adjusted_p < LEVEL


def _rows(n: int) -> str:
    return f"{n:,} {'row' if n == 1 else 'rows'}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
