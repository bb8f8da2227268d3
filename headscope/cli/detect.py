"""`headscope detect`: run the failure detectors over runs that are stored."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

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
        names = [row.name for row in opened.overview().experiments]
        if experiment not in names:
            raise UnknownNameError("experiment", experiment, names)
        where = detection.experiment_runs(experiment)
        detection.detect(opened, where)
        counts = opened.detector_counts(where)
    table = Table(box=None, pad_edge=False)
    for heading in ("detector", "severity", "runs"):
        table.add_column(heading, justify="right" if heading == "runs" else "left")
    for name in registry.DETECTORS:
        for item in counts:
            if item.detector == name:
                table.add_row(name, item.label, f"{item.n:,}")
    Console().print(table)
