"""`headscope models`: which models there are, where they come from, and getting one from the hub."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from headscope.analysis.printable import visible
from headscope.analysis.types import DType
from headscope.cli.options import DEFAULT_STORE, StoreOption
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
def pull(
    name: Annotated[str, typer.Argument(help="A name from `headscope models list`, or a Hugging Face id.")],
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="Accept the terms of a model that has its own, and do not ask.")
    ] = False,
) -> None:
    """Get a model from the hub (or unpack the embedded one), so that it can be used offline afterwards."""
    from headscope.analysis.models import sources

    console = Console(stderr=True)

    def accepts(terms: str) -> bool:
        console.print(visible(terms), soft_wrap=True, highlight=False, markup=False)
        return accept_terms or typer.confirm("Do you accept these terms?", err=True)

    console.print(f"getting {visible(name)} ...", markup=False, highlight=False)
    resolved = sources.pull(name, accepts)
    console.print(f"{name}: ready in {resolved.path} (from {resolved.source})", soft_wrap=True)


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A name from `headscope models list`, or a folder.")],
    store: StoreOption = DEFAULT_STORE,
    dtype: Annotated[DType, typer.Option(help="Number format of the weights.")] = "float32",
    device: Annotated[str, typer.Option(help="Where the model computes: cpu, cuda, cuda:N or mps.")] = "cpu",
) -> None:
    """Check a model's numbers against transformers' own and against each other; exit status 1 when a check fails."""
    from headscope.cli import model_checks

    with Console(stderr=True).status(f"checking {name}"):
        found = model_checks.check(store, name, dtype, device)
    model_checks.print_certificate(Console(), found)
    raise typer.Exit(1 if found.failed else 0)


@app.command()
def show(name: str, store: StoreOption = DEFAULT_STORE) -> None:
    """Architecture, size, context length and memory need of one model, and what its last check found."""
    from headscope.analysis.models import sources
    from headscope.cli import model_checks

    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in sources.show(name).items():
        table.add_row(key, str(value))
    table.add_row("checked", model_checks.last(store, name))
    Console().print(table)
