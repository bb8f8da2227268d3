"""POST /api/v1/bias {experiment, measure}: compares the groups of stored pairs, keeps the effects and answers with them
(`headscope bias`).
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask

from headscope.dashboard.api.guard import guard
from headscope.dashboard.request_body import json_object
from headscope.dashboard.services import Services
from headscope.jobs import bias


def register(server: Flask, services: Services) -> None:
    """Add the route; a server that writes no findings has none."""
    sink = services.findings
    if sink is None:
        return
    routes = Blueprint("bias_api", __name__, url_prefix="/api/v1")

    @routes.post("/bias")
    @guard(services.settings)
    def compare() -> Any:
        return bias.as_json(bias.compare(services.store, sink, bias.request_of(json_object())))

    server.register_blueprint(routes)
