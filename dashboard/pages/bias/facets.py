"""What the table's lines are narrowed by, as links with their counts, and a field for words in their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import Children, extra, icon
from headscope.dashboard.link_state import parse_query
from headscope.dashboard.pages.bias.lines import FACETS, Facet, Line, facet_counts
from headscope.dashboard.pages.bias.query import BiasQuery
from headscope.dashboard.parts import Entry, menu, stay
from headscope.dashboard.scoped.bar import offered
from headscope.storage.interfaces import RunReader

NOTHING: dict[str, Any] = {"q": "", "only": "all", **{facet.key: () for facet in FACETS}}


def filters(query: BiasQuery, lines: Sequence[Line]) -> Component:
    """Menus of the values there are, the field, and what narrows the table now, each with its way out."""
    menus = [_menu(facet, query, facet_counts(query, lines, facet)) for facet in FACETS]
    parts: list[Children] = [found for found in menus if found is not None]
    said = html.Span("Show rows of", className="hs-muted hs-bias-of")
    return html.Div([html.Div([said, *parts, _search(query)], className="hs-bias-filters"), *_chips(query)])


def beside_menu(store: RunReader, query: BiasQuery) -> Component | None:
    """Which model's runs these are held against; None where the store has no other."""
    entries: list[Entry] = [("nothing", _with(query, "", ""), None)]
    for row in offered(store, query, store.experiments()):
        models = row.models if row.n_succeeded else ()
        if row.name != query.experiment:
            entries += [(f"{model} in {row.name}", _with(query, model, row.name), None) for model in models]
        elif query.model or len(models) > 1:
            entries += [(model, _with(query, model, ""), None) for model in models if model != query.model]
    now = query.other_name if query.beside_model else "nothing"
    return menu("Beside", now, entries) if len(entries) > 1 or query.beside_model else None


def _with(query: BiasQuery, model: str, experiment: str) -> str:
    return query.link(beside_model=model, beside_experiment=experiment, row="", pair="", models=())


def _menu(facet: Facet, query: BiasQuery, counts: Sequence[tuple[str, int]]) -> Component | None:
    """One facet; a checkbox sign says what is chosen. Where there is one value there is nothing to choose."""
    now: tuple[str, ...] = getattr(query, facet.key)
    if len(counts) < 2 and not now:
        return None
    entries = [stay([_sign(value in now), html.Span(_said(value), className="hs-count-name"),
                     html.Span(f"{n:,}", className="hs-count-number")], _toggled(facet, query, value),
                    "hs-on" if value in now else "") for value, n in counts]  # fmt: skip
    said = "all" if not now else _said(now[0]) if len(now) == 1 else f"{len(now)} chosen"
    summary = html.Summary([html.Span(f"{facet.label}: ", className="hs-muted"),
                            html.Span(said, className="hs-ellipsis"), icon("chevron-down")],
                           className="hs-button")  # fmt: skip
    return html.Details([summary, html.Div(entries, className="hs-menu-list")], className="hs-menu hs-scope-menu")


def _sign(on: bool) -> html.Span:
    said = html.Span("chosen" if on else "not chosen", className="visually-hidden")
    return html.Span([icon("check-square-fill" if on else "square", "hs-facet-sign"), said])


def _said(value: str) -> str:
    return value or "none"


def _toggled(facet: Facet, query: BiasQuery, value: str) -> str:
    now: tuple[str, ...] = getattr(query, facet.key)
    changed = tuple(item for item in now if item != value) if value in now else (*now, value)
    return query.link(**{facet.key: changed})


def _search(query: BiasQuery) -> Component:
    """A plain form: what is sent is the rest of the link and the words."""
    rest = parse_query(query.link(q="").partition("?")[2])
    hidden = [dbc.Input(type="hidden", name=name, value=value) for name, values in rest.items()
              for value in ((values,) if isinstance(values, str) else values)]  # fmt: skip
    field = dbc.Input(id="bias-words", type="search", name="q", value=query.q, placeholder="Group, tag or set",
                      className="hs-field", autocomplete="off")  # fmt: skip
    label = html.Label("Words in a row’s name", htmlFor="bias-words", className="visually-hidden")
    button = html.Button([icon("search"), html.Span("Find", className="visually-hidden")], type="submit",
                         className="hs-icon-button", title="Find rows with these words")  # fmt: skip
    return html.Form([*hidden, label, field, button], action=links.BIAS, method="GET", className="hs-bias-search",
                     **extra(role="search"))  # fmt: skip


def _chips(query: BiasQuery) -> list[Component]:
    found = [_chip(f"Words “{query.q}”", query.link(q=""))] if query.q else []
    for facet in FACETS:
        found += [_chip(f"{facet.label}: {_said(value)}", _toggled(facet, query, value))
                  for value in getattr(query, facet.key)]  # fmt: skip
    if not found:
        return []
    clear = stay("Clear all", query.link(**{**NOTHING, "only": query.only}), "hs-clear")
    return [html.Div([*found, clear], className="hs-chips hs-bias-chips")]


def _chip(label: str, address: str) -> Component:
    words = [html.Span(label, className="hs-ellipsis"), icon("x-lg"), html.Span("remove", className="visually-hidden")]
    return stay(words, address, "hs-chip", f"Remove: {label}")
