"""`headscope datasets`: the prompt sets that come along, and checking files of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from headscope.analysis.errors import InputError
from headscope.cli.terminal import Console

if TYPE_CHECKING:
    from headscope.analysis.types import PromptSet

app = typer.Typer(help="Prompt sets: list, show, import, and check your own files.", no_args_is_help=True)


@app.command("list")
def list_sets() -> None:
    """The prompt sets that come with Headscope."""
    from headscope.datasets import prompt_sets

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "version", "prompts", "licence", "purpose"):
        table.add_column(heading, overflow="fold")
    for info in prompt_sets.list_sets():
        table.add_row(info.name, info.version, str(info.n_prompts), info.licence, info.purpose)
    Console().print(table)


@app.command()
def show(
    source: str = typer.Argument(help="A prompt set's name, or a jsonl, csv, parquet or text file."),
    rows: int = typer.Option(10, min=0, help="How many prompts to print."),
) -> None:
    """Load a prompt set (this is also the check of a file of your own) and print its head."""
    from headscope.datasets import prompt_sets

    _print_head(prompt_sets.load(source), rows)


@app.command("formats")
def list_formats() -> None:
    """The published formats that can be imported, from files you have."""
    from headscope.datasets import importers

    table = Table(box=None, pad_edge=False)
    for heading in ("format", "set", "licence", "reads"):
        table.add_column(heading, overflow="fold")
    for importer in importers.FORMATS.values():
        table.add_row(importer.name, importer.label, importer.licence, importer.reads)
    Console().print(table)


@app.command("import")
def import_set(
    format: Annotated[str, typer.Argument(help="A published format (see `headscope datasets formats`).")],  # noqa: A002
    path: Annotated[Path, typer.Argument(help="The published file or folder.")],
    out: Annotated[Path | None, typer.Option(help="Write the prompts here, as JSON lines of our own.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most prompts, in whole items (pairs, questions).")] = None,
    seed: Annotated[int | None, typer.Option(help="Shuffle the items before the limit; the same for one seed.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="How many prompts to print.")] = 10,
) -> None:
    """Check a published set and show its head; with --out, write it as a prompt file."""
    from headscope.datasets import canonical, importers

    prompt_set = importers.load(format, path, limit=limit, seed=seed)
    _print_head(prompt_set, rows)
    if out is None:
        return
    if out.suffix.lower() not in {".jsonl", ".ndjson"}:
        raise InputError(f"{out}: prompts are written as JSON lines, so the name must end in .jsonl.", "prompt_file")
    usable = [prompt for prompt in prompt_set.prompts if prompt.invalid is None]
    try:
        out.write_text("".join(canonical.canonical_line(prompt) + "\n" for prompt in usable), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}.", "prompt_file") from error
    console = Console(stderr=True)
    console.print(f"{len(usable)} prompts written to {out}.", soft_wrap=True)
    if left := len(prompt_set.prompts) - len(usable):
        console.print(f"warning: {left} prompts that are not valid text were not written.", style="yellow")


def _print_head(prompt_set: PromptSet, rows: int) -> None:
    console = Console()
    for key in ("name", "version", "licence", "purpose", "sha256"):
        console.print(f"{key:8} {getattr(prompt_set, key)}", soft_wrap=True)
    console.print(f"prompts  {len(prompt_set.prompts)}")
    for warning in prompt_set.warnings:
        console.print(f"warning  {warning}", style="yellow", soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "text", "target", "foil"):
        table.add_column(heading, overflow="fold")
    for prompt in prompt_set.prompts[:rows]:
        table.add_row(prompt.id, repr(prompt.text), repr(prompt.target or ""), repr(prompt.foil or ""))
    console.print(table)
