"""The state shown at the foot of the navigation: which store, how many runs, whether anything can be computed."""

from __future__ import annotations

import shlex

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import Children, guarded, icon
from headscope.dashboard.ids import Shell
from headscope.dashboard.services import Services
from headscope.dashboard.words import plural
from headscope.storage import session
from headscope.storage.rows import RunFilter

FIRST_RUN = "headscope run --prompts factual_recall --model smollm2-135m-instruct --experiment first --store"


def register_status(app: Dash, services: Services) -> None:
    """Fill `Shell.STATE` at start and every few seconds."""

    @app.callback(Output(Shell.STATE, "children"), Input(Shell.STATE_TICK, "n_intervals"))
    def show(_ticks: int | None) -> Children:
        return store_state(services)


def store_label(url: str) -> tuple[str, str]:
    """Kind of database and a short name: `duckdb:////data/a.duckdb` is ("DuckDB", "a.duckdb")."""
    kind = "PostgreSQL" if url.startswith("postgres") else "DuckDB"
    return kind, url.split("?", maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1] or "store"


def first_command(url: str) -> str:
    """What to type first, with the store's address but not its password."""
    return f"{FIRST_RUN} {shlex.quote(session.shown(url))}"


@guarded("read the store")
def store_state(services: Services) -> Component:
    """One query: the number of runs."""
    kind, name = store_label(services.store.url)
    total = services.store.count(RunFilter())
    engine = "ready to compute" if services.engine else "reading only"
    return html.Div(
        [
            html.Div([icon("database"), html.Span(name, className="hs-state-name")], title=f"{kind} store {name}"),
            dcc.Link(plural(total, "run"), href=links.RUNS),
            html.Span(f"{kind} · {engine}"),
        ],
        className="hs-nav-label",
    )
