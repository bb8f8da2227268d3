"""`headscope verify`: are the stored numbers what the model computes?"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from headscope.analysis.counts import plural
from headscope.analysis.errors import UnknownNameError
from headscope.cli.options import DEFAULT_STORE, StoreOption
from headscope.cli.terminal import Console

if TYPE_CHECKING:
    from headscope.jobs.verified_runs import Verified
    from headscope.storage.interfaces import RunReader

DIFFERS = 3
"""Exit status when something differs; 1 is an error, 2 a wrong option."""
LISTED = 10


def verify(
    what: Annotated[str, typer.Argument(metavar="RUN|EXPERIMENT", help="A run's id, or an experiment's name.")],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Compute stored runs again, past the cache, and say how far each kind of result is from what is stored.

    Nothing is written. Exit status 3 when something differs beyond rounding, or nothing could be computed again.
    """
    from headscope.analysis.engines.here import inline_engine
    from headscope.jobs.verified_runs import verify as verified
    from headscope.storage.repository import Store

    with Store.open(store, create=False) as opened, closing(inline_engine()) as engine:
        same = _report(verified(engine, opened, _runs(opened, what)))
    if not same:
        sys.exit(DIFFERS)


def _runs(store: RunReader, what: str) -> list[str]:
    """Raises UnknownNameError when there is neither such a run nor such an experiment."""
    from headscope.jobs.detection import MOST_RUNS, experiment_runs

    if found := store.runs([what]):
        return [found[0].id]
    experiments = [row.name for row in store.overview(0).experiments]
    if what not in experiments:
        raise UnknownNameError("run or experiment", what, experiments, "Or give the id of a run.")
    return [row.id for row in store.runs_page(experiment_runs(what), limit=MOST_RUNS).rows]


def _report(runs: Iterable[Verified]) -> bool:
    """Prints what was found; whether all that could be computed again is the same, and something could."""
    from headscope.jobs.verification import TOLERANCE

    console = Console()
    kinds: dict[str, list[tuple[float, bool]]] = {}
    worst: dict[str, tuple[float, str]] = {}
    reasons: Counter[str] = Counter()
    told: list[str] = []
    n = 0
    for run in runs:
        if run.reason:
            reasons[run.reason] += 1
            continue
        n += 1
        for item in run.differences:
            kinds.setdefault(item.kind, []).append((item.largest, item.differs))
            if not math.isnan(item.largest) and item.largest >= worst.get(item.kind, (-1.0, ""))[0]:
                worst[item.kind] = (item.largest, run.detail.row.id)
            if item.differs:
                said = "; ".join(part for part in (item.note, run.caution) if part)
                told.append(f"{run.detail.row.id}  {item.kind}: {item.largest:.3g}{f'  {said}' if said else ''}")
    _print_kinds(console, kinds, worst)
    for line in told[:LISTED]:
        console.print(f"differs: {line}", style="red", soft_wrap=True)
    if len(told) > LISTED:
        console.print(f"and {len(told) - LISTED} more.")
    for reason, count in reasons.most_common():
        console.print(f"not computed again: {plural(count, 'run')}: {reason}", soft_wrap=True)
    console.print(
        f"{plural(n, 'run')} computed again; differing by more than {TOLERANCE}: {plural(len(told), 'result')}.",
        soft_wrap=True,
    )
    return bool(n) and not told


def _print_kinds(
    console: Console, kinds: dict[str, list[tuple[float, bool]]], worst: dict[str, tuple[float, str]]
) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("result", "runs", "differ", "largest difference", "in run"):
        table.add_column(heading, overflow="fold")
    for kind, found in kinds.items():
        largest, run = worst.get(kind, (None, ""))
        differ = sum(differs for _, differs in found)
        table.add_row(
            kind, str(len(found)), str(differ), "" if largest is None else f"{largest:.3g}", run if largest else ""
        )
    if kinds:
        console.print(table)
