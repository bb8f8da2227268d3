"""Patching: two prompts that differ in a little, and where inside the model the difference lives.

The link holds everything; the form is a plain form, a cell of the map is a click that changes the link.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Any

from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.dashboard import links
from headscope.dashboard.cards import Children, card, loading_box
from headscope.dashboard.ids import Shell
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.pages import Page
from headscope.dashboard.pages.patching.cards import GRAPH, content, inputs, pairs
from headscope.dashboard.pages.patching.query import PatchingQuery
from headscope.dashboard.services import Services

PAGE = Page("patching", links.PATCHING, "Patching", "bandaid", 45, shortcut="p")
ABOUT = (
    "One activation at a time is taken from the clean run and put into the corrupted one. Where that brings the clean "
    "answer back, the model carries the difference through that layer and position (Vig et al. 2020; Meng et al. 2022; "
    "on reading such maps: Zhang and Nanda 2024)."
)


class Ids(StrEnum):
    """Ids of the Patching page."""

    FORM = "patching-form"
    PAIRS = "patching-pairs"
    MAP = "patching-map"
    GRAPH = GRAPH
    CELL = "patching-cell"


def layout(**query: str | list[str]) -> Component:
    """Skeleton; the cards fill from the link."""
    state = PatchingQuery.from_query(query)
    return html.Div(
        [
            page_header("Patching", "Two prompts, one difference: where in the model does it live?"),
            notes_box(state.notes),
            html.Div(
                [
                    card("Prompts", loading_box(120), id=Ids.FORM, subtitle="As many tokens in each, please."),
                    card("Layer by position", loading_box(240, "Patching"), id=Ids.MAP, subtitle=ABOUT),
                    card("Next token", loading_box(60), id=Ids.CELL, subtitle="Ten most likely tokens, probabilities."),
                    card("Pairs in the store", loading_box(60), id=Ids.PAIRS, subtitle="Choose one to patch it."),
                ],
                className="hs-stack",
            ),
        ],
        className="hs-patching",
    )


def register(app: Dash, services: Services) -> None:
    """Callbacks: form and pairs once, map and candidates whenever the link changes."""
    here = (Input(Shell.URL, "search"), State(Shell.URL, "pathname"))

    @app.callback(Output(f"{Ids.FORM}-body", "children"), Output(f"{Ids.PAIRS}-body", "children"), *here)
    def show_form(search: str, path: str) -> tuple[Children, Children]:
        return inputs(services, _query(search, path)), pairs(services)

    @app.callback(Output(f"{Ids.MAP}-body", "children"), Output(f"{Ids.CELL}-body", "children"), *here)
    def show_map(search: str, path: str) -> tuple[Children, Children]:
        return content(services, _query(search, path))

    @app.callback(
        Output(Shell.URL, "search"),
        Input(Ids.GRAPH, "clickData"),
        State(Shell.URL, "search"),
        prevent_initial_call=True,
    )
    def choose(click: dict[str, Any] | None, search: str) -> Any:
        return clicked(click, PatchingQuery.from_query(search or ""))


def _query(search: str | None, path: str) -> PatchingQuery:
    """The link's state; leaving the page also changes the address, which is none of its callbacks' business."""
    if path.rstrip("/") != PAGE.path:
        raise PreventUpdate
    return PatchingQuery.from_query(search or "")


def clicked(click: dict[str, Any] | None, query: PatchingQuery) -> Any:
    """The link with the clicked cell."""
    if not click or not click.get("points"):
        return no_update
    point = click["points"][0]
    return replace(query, layer=int(point["y"]), position=int(point["x"])).to_query()
