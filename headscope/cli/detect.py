"""`headscope detect`: run the failure detectors over runs that are stored."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from headscope.analysis.detectors.false_alarms import measured, why_not
from headscope.analysis.errors import UnknownNameError
from headscope.cli.options import DEFAULT_STORE, StoreOption
from headscope.cli.terminal import Console


def detect(
    experiment: Annotated[str, typer.Option(help="The experiment to look at.")],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Look for failures in stored runs again (every `headscope run` does so at its end); triage stays."""
    from headscope.analysis import registry
    from headscope.jobs import detection
    from headscope.storage import private
    from headscope.storage.repository import Store

    private.keep_to_this_user()
    with Store.open(store, create=False) as opened:
        names = [row.name for row in opened.experiments()]
        if experiment not in names:
            raise UnknownNameError("experiment", experiment, names)
        where = detection.experiment_runs(experiment)
        detection.detect(opened, where)
        counts = opened.detector_counts(where)
    table = Table(box=None, pad_edge=False)
    for heading in ("detector", "severity", "runs", "false alarms"):
        table.add_column(heading, justify="right" if heading == "runs" else "left")
    for name in registry.DETECTORS:
        mine = [item for item in counts if item.detector == name]
        for i, item in enumerate(mine):
            table.add_row(name, item.label, f"{item.n:,}", "" if i else _false_alarms(name))
    console = Console()
    console.print(table)
    known = measured()
    told = (
        f"False alarms: how often it fired on {known.model} where nothing is wrong, {known.date} (docs/behaviour.md)."
    )
    console.print(told, style="dim", soft_wrap=True)


def _false_alarms(name: str) -> str:
    rate = measured().rates.get(name)
    if rate is None or not rate.n:
        return f"not defined: {why_not(name)}"
    low, high = rate.interval
    return f"{rate.found / rate.n:.0%} [{low:.0%}, {high:.0%}] of {rate.n}"
