"""GET /api/v1/patching/map.csv, with the Why page's query: every cell of its map of layers by positions.

What the page computed is taken from the cache of patched runs where it is still there, else computed again. The last
column of every row is a sentence of method; unmeasured is empty. The prompts were typed or are in the address: nothing
of them is covered, as on the page.
"""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Flask, Response

from headscope.analysis.errors import InputError
from headscope.analysis.types.patching import PATCH_COMPONENTS
from headscope.dashboard.api import csv_export
from headscope.dashboard.pages.patching.cards import MAP_FILE
from headscope.dashboard.pages.patching.query import PatchingQuery, patched
from headscope.dashboard.pages.patching.rows import of_map
from headscope.dashboard.services import Services

METHOD = (
    "Activation patching (Vig et al. 2020; Meng et al. 2022) of one pair of prompts: one activation of the clean run "
    "put into the corrupted one. patched_nats: the log-probability of the target then, minus that of the foil where "
    "there is one. recovery: (patched - corrupted) / (clean - corrupted), empty where the prompts do not differ in it."
)


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("patching_export", __name__, url_prefix="/api/v1/patching")

    @routes.get(f"/{MAP_FILE}")
    def export() -> Response:
        query = csv_export.asked(PatchingQuery)
        if not (query.clean and query.corrupted):
            raise InputError("there is no map: the address needs two prompts, clean and corrupted.")
        result = patched(services, replace(query, layer=None, position=None))
        said = f"{METHOD} Patched: {PATCH_COMPONENTS[result.request.component]}."
        return csv_export.file(f"patching-{MAP_FILE}", csv_export.with_method([*of_map(result)], said))

    server.register_blueprint(routes)
