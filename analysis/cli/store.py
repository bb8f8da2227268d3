"""`headscope sql` and `headscope db`: the store from the command line."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import pyarrow as pa
import typer
from rich.table import Table

from analysis.bounds import MOST_SECONDS
from analysis.cli import handover
from analysis.cli.options import DEFAULT_STORE, StoreOption, finite
from analysis.cli.terminal import Console
from storage import export, private, readonly_sql, repository

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
    limit: Annotated[int, typer.Option(min=1, max=readonly_sql.MOST_ROWS, help="Most rows to return.")] = 100_000,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=MOST_SECONDS, callback=finite, help="Seconds before the query is stopped.")
    ] = 60.0,
) -> None:
    """Run one read-only SQL statement over the public tables and views (docs/sql.md)."""
    server = handover.server_of(store)
    if server is not None:
        body = {"statement": statement, "limit": limit, "timeout": timeout}
        answer = server.call("POST", "/api/v1/sql", body)
        table = pa.ipc.open_stream(answer.content).read_all()
        truncated = answer.headers.get("X-Headscope-Truncated") == "1"
    else:
        result = readonly_sql.run(store, statement, limit=limit, timeout=timeout)
        table, truncated = result.table, result.truncated
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
    """Bring the store's schema to this version (a new store gets it by itself)."""
    from migrations import api

    private.keep_to_this_user()
    before, after = api.upgrade(store)
    Console().print(f"{before or 'empty'} -> {after}" if before != after else f"already at {after}")


@app.command()
def check(store: StoreOption = DEFAULT_STORE) -> None:
    """Look for orphaned rows, arrays of the wrong length, and missing or damaged artifacts."""
    private.keep_to_this_user()
    with repository.Store.open(store) as opened:
        problems = opened.check()
    for problem in problems:
        Console().print(problem, soft_wrap=True)
    if problems:
        sys.exit(1)
    Console().print("no problems found")
