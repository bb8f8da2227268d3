"""The head of a comparison: the two runs, what differs between them, and the switches of its cards."""

from __future__ import annotations

from collections.abc import Sequence

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import empty_box, extra, icon
from headscope.dashboard.pages.compare.facts import Fact, Part, warnings

Children = list[Component | str | None]
PART_LABELS = {
    Part.INPUT: "Input",
    Part.MODEL: "Model",
    Part.CONFIGURATION: "Configuration",
    Part.ORIGIN: "Where it comes from",
}


def sentences(rows: Sequence[str]) -> html.Div:
    """Why something cannot be compared, side by side with what can."""
    return empty_box("Nothing to compare here", *[html.P(row) for row in rows], icon_name="layout-split")


def open_links(a: str, b: str) -> html.Div:
    """The way to both runs' own pages."""
    return html.Div(
        [dcc.Link(f"Open {name}", href=links.run(id_), className="hs-button") for name, id_ in (("A", a), ("B", b))],
        className="hs-tools",
    )


def facts_view(rows: Sequence[Fact], everything: bool) -> Children:
    """Warnings, then the table of facts: only those that differ, unless everything is asked for."""
    shown = [row for row in rows if (everything or row.differs) and row.label != "Text"]  # the pickers show it
    alerts = [
        html.Div([icon("exclamation-triangle-fill"), html.P(text)], className="hs-compare-warning", role="alert")
        for text in warnings(tuple(rows))
    ]
    if not shown:
        same = not any(row.differs for row in rows)
        said = "The two runs agree in everything." if same else "Only the text differs; model and configuration agree."
        return [*alerts, html.P(said)]
    body: list[Component] = []
    for part in Part:
        group = [row for row in shown if row.part is part]
        if group:
            body.append(html.Tr(html.Th(PART_LABELS[part], colSpan=3, scope="rowgroup"), className="hs-compare-part"))
        body += [
            html.Tr(
                [html.Th(row.label, scope="row"), html.Td(row.a or "–"), html.Td(row.b or "–")],
                className="differs" if row.differs else "",
            )
            for row in group
        ]
    head = html.Thead(html.Tr([html.Th("", scope="col"), html.Th("A", scope="col"), html.Th("B", scope="col")]))
    hidden = sum(not row.differs for row in rows) if not everything else 0
    note = html.P(f"{hidden} more {'agrees' if hidden == 1 else 'agree'}.", className="hs-muted") if hidden else None
    return [*alerts, html.Table([head, html.Tbody(body)], className="hs-compare-facts"), note]


def options(name: str, choices: Sequence[tuple[str, str]], now: str, label: str) -> html.Div:
    """Buttons of which one is pressed; compare.js writes the choice into the link."""
    buttons = [
        html.Button(
            text, type="button", **extra(data_compare_set=f"{name}={value}", aria_pressed=str(value == now).lower())
        )
        for value, text in choices
    ]
    return html.Div(buttons, className="hs-switch", role="group", **extra(aria_label=label))


def select(name: str, label: str, choices: Sequence[tuple[str, str]], now: str) -> html.Label:
    """A menu; compare.js writes the choice into the link under `name`."""
    values = [{"value": value, "label": text} for value, text in choices]
    return html.Label(
        [html.Span(label), dbc.Select(id=f"compare-param-{name}", options=values, value=now, className="hs-field")],
        className="hs-labelled",
    )
