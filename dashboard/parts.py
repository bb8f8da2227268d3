"""Small parts of pages over many runs: numbers with their intervals, choices that are links, the SQL behind a card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import plotly.graph_objects as go
from dash import dcc, html

from headscope.dashboard.cards import Children, copyable, extra, icon


class Linked(Protocol):
    """The state of a page that is in its link."""

    def link(self, **changes: Any) -> str:
        """The page's link with some keys changed."""


Choices = Sequence[tuple[str, str]]
Entry = tuple[str, str, int | None]


def stay(children: Children, address: str, class_name: str = "", title: str = "") -> html.A:
    """A link within this page: the view stays where it is (scoped.js), where dcc.Link would jump to the top."""
    return html.A(children, href=address, className=class_name, title=title)


def switch(name: str, query: Linked, choices: Choices, label: str) -> html.Div:
    """Links of which one is current."""
    now = str(getattr(query, name))
    kind = int if isinstance(getattr(query, name), int) else str
    links = []
    for value, text in choices:
        on = value == now
        link = stay(text, query.link(**{name: kind(value)}), "hs-on" if on else "", "shown" if on else "")
        links.append(link)
    return html.Div(links, className="hs-switch-links", role="group", **extra(aria_label=label))


def menu(label: str, now: str, entries: Sequence[Entry]) -> html.Details:
    """A menu of links (text, address, count); a native disclosure, so the keyboard needs no script."""
    links = [
        stay([html.Span(text), html.Span("" if count is None else f"{count:,}", className="hs-count-number")], address)
        for text, address, count in entries
    ]
    summary = html.Summary([html.Span(f"{label}: ", className="hs-muted"), html.Span(now, className="hs-ellipsis"),
                            icon("chevron-down")], className="hs-button")  # fmt: skip
    return html.Details([summary, html.Div(links, className="hs-menu-list")], className="hs-menu hs-scope-menu")


def sql_box(statement: str) -> html.Details:
    """The statement that gives the same numbers."""
    return html.Details(
        [html.Summary("See the SQL"), html.Div(copyable(statement), className="hs-details-sql")],
        className="hs-details",
    )


def graph(figure: go.Figure, **named: Any) -> dcc.Graph:
    """A figure in a card, as high as it was built and as wide as there is room. named: its id, for callbacks."""
    return dcc.Graph(
        figure=figure, config={"displaylogo": False}, responsive=True, style={"height": f"{figure.layout.height}px"},
        **named,
    )  # fmt: skip


def note(*children: Children) -> html.P:
    """A quiet line under a table."""
    return html.P(list(children), className="hs-muted hs-note-line")


def sampled_note(shown: int, total: int, what: str = "runs") -> list[html.P]:
    """Said where not all were read; of pairs, all runs are there or none."""
    return [] if shown >= total else [warning(f"A fixed random sample: {shown:,} of {total:,} {what}.")]


def warning(*children: Children) -> html.P:
    """Something to know before the numbers are believed."""
    return html.P([icon("exclamation-triangle-fill"), " ", *children], className="hs-warning-line", role="note")
