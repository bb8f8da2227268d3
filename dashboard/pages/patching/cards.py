"""The cards of the Why page: the form, the map with its candidates, pairs of the store."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.types.patching import PATCH_COMPONENTS, PatchResult
from headscope.dashboard import links
from headscope.dashboard.cards import PICTURES, Children, Download, download_menu, empty_box, guarded
from headscope.dashboard.figures.patching import patch_figure, recovers
from headscope.dashboard.pages.patching.query import PatchingQuery, first_ready, patched
from headscope.dashboard.pages.patching.view import candidates, facts, form, pair_list
from headscope.dashboard.services import Services

GRAPH, MAP = "patching-graph", "patching-map"
MAP_FILE = "map.csv"
ANSWER = Download("CSV", picture="csv")
"""What the browser makes of the answer that it shows (assets/90_pages/patching/files.js)."""


@guarded("list the models")
def inputs(services: Services, query: PatchingQuery) -> Children:
    """The form, or why there is none."""
    if services.engine is None:
        return empty_box(
            "Nothing is computed here",
            html.P("This server shows stored results. Start one with “headscope serve” to patch activations."),
        )
    models = services.engine.models()
    return form(query, models, first_ready(models))


@guarded("read the pairs")
def pairs(services: Services) -> Children:
    """Counterfactual pairs of the store."""
    found = services.store.newest_pairs()
    ids = [row.id for pair in found for row in pair]
    return pair_list(found, services.store.offensive(ids))


def content(services: Services, query: PatchingQuery) -> tuple[Children, Children, Children]:
    """Map, candidates and the map's downloads; without two prompts what to do instead, and nothing to download."""
    if services.engine is None:
        return None, None, None
    if not (query.clean and query.corrupted):
        missing = "two prompts above that differ" if not query.clean else "a second prompt above that differs"
        hint = html.P(f"Write {missing} in a word, or choose a pair of the store below.")
        title = "No second prompt" if query.clean else "No prompts yet"
        return empty_box(title, hint, icon_name="bandaid"), None, None

    @guarded("patch these prompts")
    def shown() -> Children:
        result = patched(services, query)
        csv = Download("CSV", href=links.patching_file(MAP_FILE, query))
        return drawn(result), candidates(result), download_menu([csv, *PICTURES], MAP)

    found = shown()
    return found if isinstance(found, tuple) else (found, None, None)


@dataclass(frozen=True, slots=True)
class Boot:
    """What the scripts of the interventions begin with. model: "" when none is here; computes: whether anything can be
    computed here at all."""

    clean: str
    corrupted: str
    target: str
    foil: str
    model: str
    component: str
    computes: bool


def boot(services: Services, query: PatchingQuery) -> dict[str, Any]:
    """The prompts of the link and the model that reads them, as JSON values."""
    engine = services.engine
    model = query.model or (first_ready(engine.models()) if engine else "")
    given = (query.clean, query.corrupted, query.target, query.foil)
    return asdict(Boot(*given, model, query.component, engine is not None))


def drawn(result: PatchResult) -> list[Component]:
    """Facts and the map."""
    figure = patch_figure(result, result.request.cell)
    return [
        html.Div(facts(result, recovers(result)), className="hs-patching-facts"),
        html.P(PATCH_COMPONENTS[result.request.component] + ".", className="hs-muted"),
        dcc.Graph(id=GRAPH, figure=figure, config={"displaylogo": False}, className="hs-figure"),
    ]
