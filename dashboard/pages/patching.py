"""Patching: two prompts that differ in a little, and where inside the model the difference lives.

The link holds everything; the form is a plain form, a cell of the map is a click that changes the link.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.analysis.errors import InputError
from headscope.analysis.patch_types import PATCH_COMPONENTS, PatchResult
from headscope.dashboard.cards import Children, card, empty_box, guarded, loading_box
from headscope.dashboard.figures.patching import patch_figure, recovers
from headscope.dashboard.ids import Shell
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.pages import Page
from headscope.dashboard.pages.patching_parts import (
    PATH,
    PatchingQuery,
    candidates,
    facts,
    form,
    pair_list,
    stored_pairs,
)
from headscope.dashboard.services import Services

PAGE = Page("patching", PATH, "Patching", "bandaid", 45, shortcut="p")
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
    GRAPH = "patching-graph"
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


@guarded("list the models")
def inputs(services: Services, query: PatchingQuery) -> Children:
    """The form, or why there is none."""
    if services.engine is None:
        return empty_box(
            "Nothing is computed here",
            html.P("This server shows stored results. Start one with “headscope serve” to patch activations."),
        )
    models = services.engine.models()
    return form(query, models, next((model.name for model in models if model.ready), ""))


@guarded("read the pairs")
def pairs(services: Services) -> Children:
    """Counterfactual pairs of the store."""
    return pair_list(stored_pairs(services.store))


def content(services: Services, query: PatchingQuery) -> tuple[Children, Children]:
    """Map and candidates; without two prompts what to do instead."""
    if services.engine is None:
        return None, None
    if not (query.clean and query.corrupted):
        hint = html.P("Write two prompts above that differ in a word, or choose a pair of the store below.")
        return empty_box("No prompts yet", hint, icon_name="bandaid"), None

    @guarded("patch these prompts")
    def shown() -> Children:
        result = patched(services, query)
        return drawn(result), candidates(result)

    found = shown()
    return found if isinstance(found, tuple) else (found, None)


def patched(services: Services, query: PatchingQuery) -> PatchResult:
    """The engine's answer. Raises InputError without an engine or a model."""
    if services.engine is None:
        raise InputError("this server computes nothing: start one with `headscope serve`.")
    default = next((model.name for model in services.engine.models() if model.ready), "")
    return services.engine.patch(query.request(default))


def drawn(result: PatchResult) -> list[Component]:
    """Facts and the map."""
    figure = patch_figure(result, result.request.cell)
    return [
        html.Div(facts(result, recovers(result)), className="hs-patching-facts"),
        html.P(PATCH_COMPONENTS[result.request.component] + ".", className="hs-muted"),
        dcc.Graph(id=Ids.GRAPH, figure=figure, config={"displaylogo": False}, className="hs-figure"),
    ]
