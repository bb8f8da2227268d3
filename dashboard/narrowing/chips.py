"""What narrows a list of runs, as chips."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import Children, icon
from headscope.dashboard.narrowing.query import FACETS, NarrowingQuery


def chips(path: str, query: NarrowingQuery) -> Children:
    """What narrows the runs of the page at `path`, each with its own way out, and one that clears all."""
    found: list[Component] = []
    if query.q:
        found.append(chip(path, f"Search “{query.q}”", query.without("q")))
    for facet in FACETS:
        found += [chip(path, f"{facet.label}: {value or facet.without}", query.toggled(facet, value))
                  for value in getattr(query, facet.key)]  # fmt: skip
    found += [chip(path, item.words, query.without_filter(item.link)) for item in query.filters]
    if not found:
        return None
    clear = dcc.Link("Clear all", href=links.view(path, query.unfiltered()), className="hs-clear")
    return [*found, clear]


def chip(path: str, label: str, without: NarrowingQuery) -> Component:
    """One active filter; following it removes the filter."""
    return dcc.Link(
        [html.Span(label, className="hs-ellipsis"), icon("x-lg"), html.Span("remove", className="visually-hidden")],
        href=links.view(path, without),
        className="hs-chip",
        title=f"Remove: {label}",
    )
