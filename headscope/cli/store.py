"""`headscope sql` and `headscope db`: the store from the command line."""

from __future__ import annotations

import os
import re
import sys
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer
from rich.table import Table
from typer.core import TyperCommand

from headscope.analysis.bounds import MOST_SECONDS
from headscope.analysis.errors import InputError
from headscope.cli.options import DEFAULT_STORE, StoreOption, finite
from headscope.cli.terminal import Console
from headscope.storage import artifacts, export, private, repository, served, session
from headscope.storage.sql import readonly

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
    statement: Annotated[
        str | None,
        typer.Argument(help='One read-only statement, like "SELECT count(*) FROM runs"; without one, standard input.'),
    ] = None,
    file: Annotated[str | None, typer.Option("--file", "-f", help="Read the statement from here, - for stdin.")] = None,
    store: StoreOption = DEFAULT_STORE,
    format: Annotated[Format, typer.Option(help="How to print the rows.")] = Format.TABLE,  # noqa: A002 - the flag
    limit: Annotated[int, typer.Option(min=1, max=readonly.MOST_ROWS, help="Most rows to return.")] = 100_000,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=MOST_SECONDS, callback=finite, help="Seconds before the query is stopped.")
    ] = 60.0,
) -> None:
    """Run one read-only SQL statement over the public tables and views (docs/sql.md)."""
    show(*query(store, _statement(statement, file), limit, timeout), format, limit)


class StatementCommand(TyperCommand):
    """A statement may begin with a comment: `--` and a space or a line break is no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Click's, with such a statement after the options."""
        begins = [arg for arg in args if re.match(r"--(?:[^\n=]*\s|[^\n]*\n)", arg)]
        return super().parse_args(ctx, [arg for arg in args if arg not in begins] + (["--", *begins] if begins else []))


def _statement(typed: str | None, file: str | None) -> str:
    """The statement, wherever it stands. Raises InputError."""
    if typed is not None and file is not None:
        raise InputError("there are two statements, one typed and one in --file: leave one out.", kind="sql")
    source = file if file is not None else typed
    if source not in {None, "-"}:
        return _read(Path(str(file))) if file is not None else str(typed)
    if source is None and sys.stdin.isatty():
        raise InputError('no statement: type one, as in headscope sql "SELECT ...", or say -f FILE.', kind="sql")
    return sys.stdin.read()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"the statement cannot be read from {path}: {reason}.", kind="sql") from error


def query(store: str, statement: str, limit: int, timeout: float = 60.0) -> tuple[pa.Table, bool]:
    """Rows of a statement, asked of the server that owns the store when there is one; whether the limit cut them."""
    server = served.server_of(store)
    if server is not None:
        return server.sql(statement, limit=limit, timeout=timeout)
    result = readonly.run(store, statement, limit=limit, timeout=timeout)
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
        shown.add_row(*(value if isinstance(value, str) else _cell(value) for value in row.values()))
    Console().print(shown)


def _cell(value: Any) -> str:
    """Six significant digits, and every whole digit of what needs more; the exports keep all."""
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"
    if isinstance(value, list):
        return f"[{', '.join(map(_cell, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_cell(item)}' for key, item in value.items())}}}"
    return repr(value) if isinstance(value, str) else str(value)


@app.command()
def upgrade(store: StoreOption = DEFAULT_STORE) -> None:
    """Bring the store's schema to this version (a new store has it)."""
    from headscope.storage.schema import versions

    session.require(store)
    private.keep_to_this_user()
    before, after = versions.upgrade(store)
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
