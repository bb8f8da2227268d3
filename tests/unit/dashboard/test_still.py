"""Plain parts of a page become one component, and everything that lives stays a component."""

from __future__ import annotations

import json
from typing import Any

from dash import dcc, html

from headscope.dashboard.cards import extra
from headscope.dashboard.still import still


def trees(component: Any) -> Any:
    return json.loads(component.to_plotly_json()["props"]["data-still"])


def table() -> html.Table:
    row = html.Tr([html.Td("1", colSpan=2, title="one"), html.Td([html.B("<b>"), " two", None])], className="odd")
    return html.Table(html.Tbody([row]), className="t", style={"width": "3px"})


def test_plain_html_is_one_component_with_its_own_attributes() -> None:
    found = still(table())
    assert found.className == "t"
    assert found.style == {"width": "3px"}
    assert found.children is None
    assert trees(found) == [
        ["tbody", {}, ["tr", {"class": "odd"}, ["td", {"colspan": "2", "title": "one"}, "1"],
                       ["td", {}, ["b", {}, "<b>"], " two"]]]
    ]  # fmt: skip


def test_what_has_an_id_or_is_no_html_stays_and_its_plain_parts_are_found() -> None:
    graph, named = dcc.Graph(id="g"), html.Div(table(), id="named")
    found = still([html.Div([graph, table()]), named, "text", None])
    assert found[0].children[0] is graph
    assert trees(found[0].children[1])[0][0] == "tbody"
    assert found[1].id == "named"
    assert trees(found[1].children)[0][0] == "tbody"
    assert found[2:] == ["text", None]


def test_links_attributes_and_flags_keep_their_meaning() -> None:
    link = dcc.Link([html.I(), html.I()], href="/run?id=1", className="x")
    button = html.Button("go", disabled=True, hidden=False, **extra(data_row="3", aria_label="Go"))
    found = trees(still(html.Div([link, button, html.Label("l", htmlFor="f", style={"--t": "0.5"})])))
    assert found == [
        ["a", {"href": "/run?id=1", "class": "x", "data-link": ""}, ["i", {}], ["i", {}]],
        ["button", {"disabled": "", "data-row": "3", "aria-label": "Go"}, "go"],
        ["label", {"for": "f", "style": {"--t": "0.5"}}, "l"],
    ]


def test_little_and_what_only_react_can_read_is_left_alone() -> None:
    few = html.Div([html.B("a"), html.B("b")])
    assert still(few) is few
    assert len(few.children) == 2
    pixels = still(html.Div([html.P("a"), html.P("b"), html.P("c", style={"width": 3})]))
    assert len(pixels.children) == 3
    elsewhere = still(html.Div([html.P("a"), html.P("b"), dcc.Link("c", href="/", target="_blank")]))
    assert len(elsewhere.children) == 3
