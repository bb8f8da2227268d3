"""What narrows a list of runs, as chips."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from dash import dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import Children, icon
from headscope.dashboard.narrowing.query import FACETS, NarrowingQuery

Q = TypeVar("Q", bound=NarrowingQuery)


def chips(path: str, query: Q, link: Callable[[Q], str] | None = None) -> Children:
    """What narrows the runs of the page at `path`, each with its own way out, and one that clears all. link: of a state
    that is not all of the page's."""
    link = link or partial(links.view, path)
    found: list[Component] = []
    if query.q:
        found.append(chip(f"Search “{query.q}”", link(query.without("q"))))
    for facet in FACETS:
        found += [chip(f"{facet.label}: {value or facet.without}", link(query.toggled(facet, value)))
                  for value in getattr(query, facet.key)]  # fmt: skip
    found += [chip(item.words, link(query.without_filter(item.link))) for item in query.filters]
    if not found:
        return None
    return [*found, dcc.Link("Clear all", href=link(query.unfiltered()), className="hs-clear")]


def chip(label: str, address: str) -> Component:
    """One active filter; following it removes the filter."""
    return dcc.Link(
        [html.Span(label, className="hs-ellipsis"), icon("x-lg"), html.Span("remove", className="visually-hidden")],
        href=address,
        className="hs-chip",
        title=f"Remove: {label}",
    )
