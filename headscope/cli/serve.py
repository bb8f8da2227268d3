"""`headscope serve`: the dashboard over a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headscope.analysis.classifiers.content_filter import Policy
from headscope.analysis.imports import importing
from headscope.cli.options import DEFAULT_STORE, FilterOption, StoreOption


def serve(
    store: StoreOption = DEFAULT_STORE,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any but loopback needs PostgreSQL, a token and --allowed-host.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8050,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token that every request must show (or in HEADSCOPE_TOKEN).", dir_okay=False),
    ] = None,
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="Name by which browsers may open the server; may be given again.")
    ] = None,
    content_filter: FilterOption = "off",
    live_model: Annotated[
        str,
        typer.Option(
            help="Model that the Live page begins with, loaded at the start; 'none' loads nothing until it is asked.",
            show_default="the first that is here",
        ),
    ] = "",
    threads: Annotated[int, typer.Option(min=2, max=64, help="Requests served at once.")] = 8,
) -> None:
    """Open the dashboard. Ctrl-C stops it; a job it is running stops after its current batch and can be resumed."""
    with importing("headscope.dashboard.server"):
        from headscope.dashboard import server
    from headscope.dashboard.settings import Settings

    token, names = server.read_token(token_file), tuple(allowed_host or ())
    settings = Settings(host=host, port=port, allowed_hosts=names, token=token, live_model=live_model)
    server.serve(store, settings, threads=threads, policy=Policy.parse(content_filter))
