"""`headscope sql` and `headscope db`: the store from the command line."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import pyarrow as pa
import typer
from rich.table import Table

from analysis.bounds import MOST_SECONDS
from analysis.cli.options import DEFAULT_STORE, StoreOption, finite
from analysis.cli.terminal import Console
from analysis.errors import InputError
from storage import artifacts, export, private, readonly_sql, repository, served, session

app = typer.Typer(help="The store: schema, integrity, and files nobody needs.", no_args_is_help=True)
SHOWN = 20
"""Lines about one kind of problem."""


class Format(StrEnum):
    """How `headscope sql` prints."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def sql(
    statement: Annotated[str, typer.Argument(help='One read-only statement, like "SELECT count(*) FROM runs".')],
    store: StoreOption = DEFAULT_STORE,
    format: Annotated[Format, typer.Option(help="How to print the rows.")] = Format.TABLE,  # noqa: A002 - the flag
    limit: Annotated[int, typer.Option(min=1, max=readonly_sql.MOST_ROWS, help="Most rows to return.")] = 100_000,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=MOST_SECONDS, callback=finite, help="Seconds before the query is stopped.")
    ] = 60.0,
) -> None:
    """Run one read-only SQL statement over the public tables and views (docs/sql.md)."""
    show(*query(store, statement, limit, timeout), format, limit)


def query(store: str, statement: str, limit: int, timeout: float = 60.0) -> tuple[pa.Table, bool]:
    """Rows of a statement, asked of the server that owns the store when there is one; whether the limit cut them."""
    server = served.server_of(store)
    if server is not None:
        return server.sql(statement, limit=limit, timeout=timeout)
    result = readonly_sql.run(store, statement, limit=limit, timeout=timeout)
    return result.table, result.truncated


def show(table: pa.Table, truncated: bool, format: Format, limit: int) -> None:  # noqa: A002 - as `sql` has it
    """Print rows on standard output."""
    if format is Format.TABLE:
        _print_table(table)
    else:
        sys.stdout.buffer.write(export.to_format(table, format.value))
        sys.stdout.buffer.flush()
    if truncated:
        Console(stderr=True).print(f"only the first {limit} rows are shown (--limit).", style="yellow")


def _print_table(table: pa.Table) -> None:
    shown = Table(box=None, pad_edge=False)
    for name in table.column_names:
        shown.add_column(name, overflow="fold")
    for row in table.to_pylist():
        shown.add_row(*("NULL" if value is None else str(value) for value in row.values()))
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    console.print(shown, soft_wrap=not sys.stdout.isatty())


@app.command()
def upgrade(store: StoreOption = DEFAULT_STORE) -> None:
    """Bring the store's schema to this version (a new store has it)."""
    from migrations import api

    session.require(store)
    private.keep_to_this_user()
    before, after = api.upgrade(store)
    Console().print(f"{before or 'empty'} -> {after}" if before != after else f"already at {after}")


@app.command()
def check(
    store: StoreOption = DEFAULT_STORE,
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove orphans, rebuild facets, mark lost artifacts to be computed again.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help=f"Every line, not the first {SHOWN} of a kind.")] = False,
) -> None:
    """Look for orphaned rows, arrays of the wrong length, lost or damaged artifacts; exit status 1 when any stay."""
    private.keep_to_this_user()
    with repository.Store.open(store, create=False) as opened:
        done = opened.repair() if repair else []
        problems = opened.problems()
    for line in done:
        _say(line)
    for kind, lines in problems.items():
        _say(f"{kind}: {len(lines):,}")
        shown = lines if verbose else lines[:SHOWN]
        for line in shown:
            _say(f"  {line}")
        if len(lines) > len(shown):
            _say(f"  and {len(lines) - len(shown):,} more (--verbose)")
    if problems:
        if not repair:
            _say("`headscope db check --repair` mends what can be mended.")
        sys.exit(1)
    _say("no problems left" if done else "no problems found")


@app.command()
def gc(
    store: StoreOption = DEFAULT_STORE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    grace_hours: Annotated[
        float, typer.Option(min=0, help="Leave files younger than this: a running job may be about to name them.")
    ] = 1.0,
    sole: Annotated[bool, typer.Option("--sole", help="No other store keeps its artifacts in HEADSCOPE_ARTIFACTS.")] = (
        False
    ),
) -> None:
    """Remove artifact files that no run names: left by killed jobs, deleted runs, and results that were replaced."""
    if os.environ.get(artifacts.VARIABLE) and not (sole or dry_run):
        raise InputError(
            f"{artifacts.VARIABLE} is set, and files that other stores keep in that folder would be removed: say "
            "--sole when this store is the only one there (--dry-run shows what would go)."
        )
    with repository.Store.open(store, create=False) as opened:
        swept = opened.gc(timedelta(hours=grace_hours), dry_run=dry_run)
    would, young = "would be " if dry_run else "", f"; {swept.young:,} young ones left" if swept.young else ""
    _say(f"{swept.files:,} files ({swept.bytes / 1e6:,.1f} MB) that no run names {would}removed{young}")


def _say(line: str) -> None:
    Console().print(line, markup=False, highlight=False, soft_wrap=True)
