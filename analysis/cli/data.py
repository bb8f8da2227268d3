"""`headscope datasets`: the prompt sets that come along, and checking files of your own."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(help="Prompt sets: list, show, and check your own files.", no_args_is_help=True)


@app.command("list")
def list_sets() -> None:
    """The prompt sets that come with Headscope."""
    from datasets import catalogue

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "version", "prompts", "licence", "purpose"):
        table.add_column(heading, overflow="fold")
    for info in catalogue.list_sets():
        table.add_row(info.name, info.version, str(info.n_prompts), info.licence, info.purpose)
    Console().print(table)


@app.command()
def show(
    source: str = typer.Argument(help="A prompt set's name, or a jsonl, csv, parquet or text file."),
    rows: int = typer.Option(10, min=0, help="How many prompts to print."),
) -> None:
    """Load a prompt set (this is also the check of a file of your own) and print its head."""
    from datasets import catalogue

    prompt_set = catalogue.load(source)
    console = Console()
    for key in ("name", "version", "licence", "purpose", "sha256"):
        console.print(f"{key:8} {getattr(prompt_set, key)}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"prompts  {len(prompt_set.prompts)}", highlight=False)
    for warning in prompt_set.warnings:
        console.print(f"warning  {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "text", "target", "foil"):
        table.add_column(heading, overflow="fold")
    for prompt in prompt_set.prompts[:rows]:
        table.add_row(prompt.id, repr(prompt.text), repr(prompt.target or ""), repr(prompt.foil or ""))
    console.print(table, markup=False)
