"""`headscope serve`: the dashboard over a store."""

from __future__ import annotations

from typing import Annotated

import typer

from analysis.cli.options import DEFAULT_STORE, FilterOption, StoreOption
from analysis.content_filter import Policy


def serve(
    store: StoreOption = DEFAULT_STORE,
    host: Annotated[str, typer.Option(help="Address to listen on. DuckDB stores are served on loopback only.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8050,
    content_filter: FilterOption = "off",
    threads: Annotated[int, typer.Option(min=2, max=64, help="Requests served at once.")] = 8,
) -> None:
    """Open the dashboard. Ctrl-C stops it; a job it is running stops after its current batch and can be resumed."""
    from dashboard import server

    server.serve(store, host=host, port=port, threads=threads, policy=Policy.parse(content_filter))
