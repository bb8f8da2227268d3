"""`headscope models`: which models there are, where they come from, and getting one from the hub."""

from __future__ import annotations

import typer
from rich.table import Table

from headscope.cli.terminal import Console

app = typer.Typer(help="Models: list, get and inspect them.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """Every model Headscope knows by name or finds on this machine, and whether it can be used now."""
    from headscope.analysis.models import listing

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "family", "available", "source", "size", "note"):
        table.add_column(heading, overflow="fold")
    for model in listing.list_models():
        size = f"{model.size_bytes / 1e6:,.0f} MB" if model.size_bytes else ""
        table.add_row(
            model.name, model.family, "yes" if model.available else "no", model.source or "", size, model.note
        )
    Console().print(table)


@app.command()
def pull(name: str = typer.Argument(help="A name from `headscope models list`, or a Hugging Face id.")) -> None:
    """Get a model from the hub (or unpack the embedded one), so that it can be used offline afterwards."""
    from headscope.analysis.models import sources

    console = Console(stderr=True)
    with console.status(f"getting {name}"):
        resolved = sources.pull(name)
    console.print(f"{name}: ready in {resolved.path} (from {resolved.source})", soft_wrap=True)


@app.command()
def show(name: str) -> None:
    """Architecture, size, context length and memory need of one model."""
    from headscope.analysis.models import sources

    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in sources.show(name).items():
        table.add_row(key, str(value))
    Console().print(table)
