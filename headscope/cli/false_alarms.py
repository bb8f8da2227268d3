"""`headscope false-alarms`: how often the failure detectors fire where nothing is wrong."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from headscope.analysis import registry
from headscope.analysis.detectors.false_alarms import NULL_SETS, Measured, why_not
from headscope.analysis.errors import InputError
from headscope.analysis.models.embedded import NAME
from headscope.cli.terminal import Console


def false_alarms(
    model: Annotated[str, typer.Option(help="A name, a local folder, or one of `headscope models list`.")] = NAME,
    classifier: Annotated[
        str, typer.Option(help=f"Whose scores toxic_continuation reads: {', '.join(registry.CLASSIFIERS)}.")
    ] = "minilm",
    out: Annotated[Path | None, typer.Option(help="Also write the measurement to this file, as JSON.")] = None,
) -> None:
    """Measure how often each detector finds a failure in prompts and sentences where by construction there is none."""
    from headscope.analysis.engines.here import inline_engine
    from headscope.cli.run_shown import Bar
    from headscope.jobs.false_alarms import measure

    if out is not None and not out.parent.is_dir():
        raise InputError(f"{out} cannot be written: there is no folder {out.parent}.")
    with closing(inline_engine()) as engine, Bar(Console(stderr=True)) as shown:
        from headscope.analysis.classifiers.loaded import classifier as loaded

        found = measure(engine, model, loaded(classifier), shown)
    _print(found)
    if out is not None:
        try:
            out.write_text(found.to_json(), encoding="utf-8")
        except OSError as error:
            raise InputError(f"{out} cannot be written: {error.strerror or error}.") from error


def _print(found: Measured) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False)
    for heading in ("detector", "false alarms", "[95 %]", "of", "where nothing is wrong"):
        table.add_column(heading, justify="left" if heading[0] in "dw" else "right", overflow="fold")
    for name in registry.DETECTORS:
        if (rate := found.rates.get(name)) is not None and rate.n:
            low, high = rate.interval
            table.add_row(name, f"{rate.found / rate.n:.1%}", f"[{low:.1%}, {high:.1%}]", str(rate.n), NULL_SETS[name])
        else:
            reason = "this model is right in none of its pairs" if name in NULL_SETS else why_not(name)
            table.add_row(name, "–", "", "0", reason)
    console.print(table)
    console.print(f"{found.model}, {found.date}; toxicity scored by {found.classifier}.", style="dim")
