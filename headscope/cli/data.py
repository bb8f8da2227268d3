"""`headscope datasets`: the prompt sets that come along, and checking files of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from headscope.analysis.counts import plural
from headscope.analysis.errors import InputError
from headscope.cli.terminal import Console

if TYPE_CHECKING:
    from headscope.analysis.types import PromptSet

app = typer.Typer(help="Prompt sets: list, show, import, and check your own files.", no_args_is_help=True)


@app.command("list")
def list_sets() -> None:
    """The prompt sets that come with Headscope, and those you imported."""
    from headscope.datasets import prompt_sets

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "version", "prompts", "licence", "purpose"):
        table.add_column(heading, overflow="fold")
    for info in (*prompt_sets.list_sets(), *prompt_sets.list_own()):
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
    paths: Annotated[list[Path], typer.Argument(help="Its published files or folders.", metavar="FILE...")],
    name: Annotated[str, typer.Option(help="What to call the set; else it is called as the format.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write NAME.jsonl here, and its NAME.yaml beside it.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most prompts, in whole items (pairs, questions).")] = None,
    seed: Annotated[int | None, typer.Option(help="Shuffle the items before the limit; the same for one seed.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="How many prompts to print.")] = 10,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a set of that name.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the files and write nothing.")] = False,
) -> None:
    """Check a published set and keep it as a set of your own, found by name from then on."""
    from headscope.datasets import importers, own_sets, prompt_sets

    importer = importers.find(format)
    kept = out or own_sets.folder() / f"{name or importer.name}.jsonl"
    if kept.stem in prompt_sets.ours():
        raise InputError(f"{kept.stem!r} is the name of a set that comes with Headscope: say another --name.")
    prompt_set = importers.load(format, *paths, limit=limit, seed=seed)
    _print_head(prompt_set, rows)
    console = Console(stderr=True)
    n_items = importers.items(prompt_set.prompts)
    console.print(f"read {plural(len(prompt_set.prompts), 'prompt')} of {plural(n_items, 'item')}.", soft_wrap=True)
    if dry_run:
        return
    chosen = f", at most {limit} prompts" if limit else ""
    shuffled = f", shuffled with seed {seed}" if seed is not None else ""
    provenance = f"{importer.label}, read from {', '.join(path.name for path in paths)}{chosen}{shuffled} by Headscope"
    written = own_sets.save(prompt_set, kept, provenance, replace_old=replace)
    found = f"; --prompts {kept.stem} finds them" if out is None else ""
    console.print(f"{written:,} prompts written to {kept}{found}. Licence: {prompt_set.licence}.", soft_wrap=True)
    if left := len(prompt_set.prompts) - written:
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
