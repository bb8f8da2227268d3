"""Why: a prompt and its foil, or two prompts that differ in a little: which parts of the model make the difference.

The link holds everything; the form is a plain form, a cell of the map is a click that changes the link. Interventions
are asked for and drawn by assets/90_pages/patching (headscope.dashboard.api.interventions), without a Dash round trip.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.dashboard import links
from headscope.dashboard.cards import PICTURES, Children, Download, card, download_menu, loading_box
from headscope.dashboard.clientside import clientside
from headscope.dashboard.ids import Shell
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.pages import Page
from headscope.dashboard.pages.patching.cards import ANSWER, GRAPH, MAP, boot, content, inputs, pairs
from headscope.dashboard.pages.patching.query import PatchingQuery
from headscope.dashboard.services import Services

PAGE = Page("patching", links.PATCHING, "Why", "bandaid", 45, shortcut="p")
ABOUT = (
    "One activation at a time is taken from the clean run and put into the corrupted one. Where that brings the clean "
    "answer back, the model carries the difference through that layer and position (Vig et al. 2020; Meng et al. 2022; "
    "on reading such maps: Zhang and Nanda 2024)."
)
SWITCHED = (
    "Switch a head, an MLP or a layer off, scale it, or take it from the other prompt, and see what the model says "
    "then. Nothing is stored unless you save it."
)
ADDED = (
    "Direct logit attribution (Elhage et al. 2021): what each part writes to the margin itself, at the last position. "
    "The bars add up to it; what a part does through later ones is in theirs. Click one to switch it off."
)


class Ids(StrEnum):
    """Ids of the Why page; its scripts look their places up by them."""

    FORM = "patching-form"
    PAIRS = "patching-pairs"
    ASKED = "patching-asked"
    SHOWN = "patching-shown"
    BOOT = "patching-boot"
    READY = "patching-ready"
    CHOSEN = "patching-chosen"
    SWITCHES = "patching-switches"
    LIVE = "patching-live"
    PARTS = "patching-parts"
    BARS = "patching-bars"
    MAP = MAP
    GRAPH = GRAPH
    CELL = "patching-cell"


def layout(**query: str | list[str]) -> Component:
    """Skeleton; the cards fill from the link."""
    state = PatchingQuery.from_query(query)
    return html.Div(
        [
            page_header("Why", "A prompt and its foil, or two prompts: which parts of the model make the difference?"),
            notes_box(state.notes),
            *(dcc.Store(id=name) for name in (Ids.ASKED, Ids.SHOWN, Ids.BOOT, Ids.READY, Ids.CHOSEN)),
            html.Div(
                [
                    card("Prompts", loading_box(120), id=Ids.FORM, subtitle="For the map, as many tokens in each."),
                    card("Interventions", html.Div(id=Ids.LIVE), id=Ids.SWITCHES, subtitle=SWITCHED,
                         actions=_answered(Ids.SWITCHES, ANSWER)),
                    card("Heads and MLPs", html.Div(id=Ids.BARS), id=Ids.PARTS, subtitle=ADDED,
                         actions=_answered(Ids.PARTS, ANSWER, *PICTURES)),
                    card("Layer by position", loading_box(240, "Patching"), id=Ids.MAP, subtitle=ABOUT,
                         actions=html.Div(id=f"{Ids.MAP}-actions")),
                    card("Next token", loading_box(60), id=Ids.CELL, subtitle="Ten most likely tokens, probabilities."),
                    card("Pairs in the store", loading_box(60), id=Ids.PAIRS,
                         subtitle="Choose one to patch it: the newest of equally many tokens, then others."),
                ],
                className="hs-stack",
            ),
        ],
        className="hs-patching",
    )  # fmt: skip


def _answered(card_id: str, *downloads: Download) -> Component:
    """A menu that files.js shows once there is an answer to save."""
    return html.Div(download_menu(downloads, card_id), id=f"{card_id}-actions", hidden=True)


def register(app: Dash, services: Services) -> None:
    """Callbacks: the link is taken apart in the browser, so that an intervention, which changes it too, asks for no new
    form and no new map; the scripts start when they are told the prompts."""
    before = (State(Ids.ASKED, "data"), State(Ids.SHOWN, "data"))
    clientside(
        app, "headscope_why", "split", Output(Ids.ASKED, "data"), Output(Ids.SHOWN, "data"),
        Input(Shell.URL, "search"), State(Shell.URL, "pathname"), *before,
    )  # fmt: skip
    clientside(app, "headscope_why", "mount", Output(Ids.READY, "data"), Input(Ids.BOOT, "data"))
    clientside(app, "headscope_why", "choose", Output(Ids.CHOSEN, "data"), Input(Ids.GRAPH, "clickData"))

    @app.callback(
        Output(f"{Ids.FORM}-body", "children"),
        Output(f"{Ids.PAIRS}-body", "children"),
        Output(Ids.BOOT, "data"),
        Input(Ids.ASKED, "data"),
    )
    def show_form(asked: str | None) -> tuple[Children, Children, dict[str, Any]]:
        query = _query(asked)
        return inputs(services, query), pairs(services), boot(services, query)

    @app.callback(
        Output(f"{Ids.MAP}-body", "children"),
        Output(f"{Ids.CELL}-body", "children"),
        Output(f"{Ids.MAP}-actions", "children"),
        Input(Ids.SHOWN, "data"),
    )
    def show_map(shown: str | None) -> tuple[Children, Children, Children]:
        return content(services, _query(shown))


def _query(part: str | None) -> PatchingQuery:
    """The state in a part of the link; there is none before the browser has taken it apart."""
    if part is None:
        raise PreventUpdate
    return PatchingQuery.from_query(part)
