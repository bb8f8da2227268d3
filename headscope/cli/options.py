"""Options that several commands share."""

from __future__ import annotations

import math
import os
from typing import Annotated

import typer

DEFAULT_STORE = "headscope.duckdb"

StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="HEADSCOPE_STORE",
        help="A DuckDB file, or postgresql://user@host/database.",
        show_default=True,
    ),
]


FilterOption = Annotated[
    str,
    typer.Option(
        "--content-filter",
        envvar="HEADSCOPE_CONTENT_FILTER",
        help="off, warn, block, or per label like toxic=block@0.8,insult=warn (docs/safety.md).",
    ),
]


ShowOffensive = Annotated[
    bool, typer.Option("--show-offensive", help="Print texts that are covered otherwise (docs/safety.md).")
]


def finite(value: float) -> float:
    """For options with `min` and `max`, between which NaN and infinity would slip through."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


def default_store() -> str:
    """HEADSCOPE_STORE, or headscope.duckdb in the current folder."""
    return os.environ.get("HEADSCOPE_STORE", DEFAULT_STORE)
