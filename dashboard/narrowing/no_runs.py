"""What stands where no run matches."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import copyable, empty_box
from headscope.dashboard.narrowing.query import NarrowingQuery


def no_runs(path: str, query: NarrowingQuery, command: str) -> Component:
    """On the page at `path`: an empty result and an empty store are two things; `command` is what fills an empty
    store."""
    if query.is_filtered:
        return empty_box(
            "No run matches",
            html.P("Every condition above must hold. Remove one, or start again:"),
            dcc.Link("Clear all filters", href=links.view(path, query.unfiltered()), className="hs-button"),
            icon_name="funnel",
        )
    return empty_box(
        "No runs yet",
        html.P("This store is empty. Analyse a prompt set with a model to fill it:"),
        copyable(command),
        icon_name="database",
    )
