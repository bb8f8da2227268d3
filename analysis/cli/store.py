"""`headscope sql` and `headscope db`: the store from the command line."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table

from analysis.cli import handover
from analysis.cli.options import DEFAULT_STORE, StoreOption
from storage import export, readonly_sql, repository

app = typer.Typer(help="The store: schema and integrity.", no_args_is_help=True)


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
    limit: Annotated[int, typer.Option(min=1, help="Most rows to return.")] = 100_000,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds before the query is stopped.")] = 60.0,
) -> None:
    """Run one read-only SQL statement over the public tables and views (docs/sql.md)."""
    show(*query(store, statement, limit, timeout), format, limit)


def query(store: str, statement: str, limit: int, timeout: float = 60.0) -> tuple[pa.Table, bool]:
    """Rows of a statement, asked of the server that owns the store when there is one; whether the limit cut them."""
    holder = handover.server_of(store)
    if holder is not None:
        body = {"statement": statement, "limit": limit, "timeout": timeout}
        answer = handover.Server(holder).call("POST", "/api/v1/sql", body)
        return pa.ipc.open_stream(answer.content).read_all(), answer.headers.get("X-Headscope-Truncated") == "1"
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
    console = Console(markup=False) if sys.stdout.isatty() else Console(markup=False, width=10_000)
    console.print(shown, soft_wrap=not sys.stdout.isatty())


@app.command()
def upgrade(store: StoreOption = DEFAULT_STORE) -> None:
    """Bring the store's schema to this version (a new store gets it by itself)."""
    from migrations import api

    before, after = api.upgrade(store)
    Console().print(f"{before or 'empty'} -> {after}" if before != after else f"already at {after}")


@app.command()
def check(store: StoreOption = DEFAULT_STORE) -> None:
    """Look for orphaned rows, arrays of the wrong length, and missing or damaged artifacts."""
    with repository.Store.open(store) as opened:
        problems = opened.check()
    for problem in problems:
        Console().print(problem, markup=False, highlight=False, soft_wrap=True)
    if problems:
        sys.exit(1)
    Console().print("no problems found")
