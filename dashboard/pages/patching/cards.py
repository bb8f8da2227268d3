"""The cards of the Patching page: the form, the map with its candidates, pairs of the store."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.types.patching import PATCH_COMPONENTS, PatchResult
from headscope.dashboard.cards import Children, empty_box, guarded
from headscope.dashboard.figures.patching import patch_figure, recovers
from headscope.dashboard.pages.patching.query import PatchingQuery, patched, stored_pairs
from headscope.dashboard.pages.patching.view import candidates, facts, form, pair_list
from headscope.dashboard.services import Services

GRAPH = "patching-graph"


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
    found = stored_pairs(services.store)
    ids = [row.id for pair in found for row in (pair.clean, pair.corrupted)]
    return pair_list(found, services.store.offensive(ids))


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


def drawn(result: PatchResult) -> list[Component]:
    """Facts and the map."""
    figure = patch_figure(result, result.request.cell)
    return [
        html.Div(facts(result, recovers(result)), className="hs-patching-facts"),
        html.P(PATCH_COMPONENTS[result.request.component] + ".", className="hs-muted"),
        dcc.Graph(id=GRAPH, figure=figure, config={"displaylogo": False}, className="hs-figure"),
    ]
