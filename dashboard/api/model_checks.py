"""POST /api/v1/models/check {model, dtype, device}: checks a model and keeps what it finds (`headscope models check`).

Waits for the job at work, and may then take a minute.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask

from headscope.analysis import bounds
from headscope.analysis.errors import InputError
from headscope.analysis.types import DTYPES, ModelRef
from headscope.dashboard.api.guard import guard
from headscope.dashboard.request_body import json_object
from headscope.dashboard.security import is_handed_over
from headscope.dashboard.server_engine import ServerEngine
from headscope.dashboard.services import Services
from headscope.jobs import certificates


def register(server: Flask, services: Services) -> None:
    """Add the route; without an engine of its own the server checks nothing."""
    engine = services.engine
    if not isinstance(engine, ServerEngine):
        return
    routes = Blueprint("model_checks_api", __name__, url_prefix="/api/v1/models")

    @routes.post("/check")
    @guard(services.settings)
    def check() -> Any:
        body = json_object()
        name, device = (bounds.text(key, body.get(key, usual)) for key, usual in (("model", ""), ("device", "cpu")))
        dtype = bounds.text("dtype", body.get("dtype", "float32"))
        if dtype not in DTYPES:
            raise InputError(f"unknown dtype {dtype!r}: use {', '.join(DTYPES)}.")
        if not is_handed_over(services.settings):
            engine.only_listed(name)
        return certificates.to_json(engine.certify(ModelRef(name, dtype=dtype), device))

    server.register_blueprint(routes)
