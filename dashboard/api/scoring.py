"""POST /api/v1/score {experiment, scorer, again, after, explain}: scores or explains the next stored runs and answers
with the step (`headscope score` asks until none is left).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Flask

from headscope.dashboard.api.guard import guard
from headscope.dashboard.request_body import json_object
from headscope.dashboard.server_engine import ServerEngine
from headscope.dashboard.services import Services
from headscope.jobs import scoring


def register(server: Flask, services: Services) -> None:
    """Add the route; without an engine of its own the server scores nothing."""
    engine, sink = services.engine, services.findings
    if not isinstance(engine, ServerEngine) or sink is None:
        return
    routes = Blueprint("scoring_api", __name__, url_prefix="/api/v1")

    @routes.post("/score")
    @guard(services.settings)
    def score() -> Any:
        return asdict(scoring.step(engine, services.store, sink, scoring.request_of(json_object())))

    server.register_blueprint(routes)
