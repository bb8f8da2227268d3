"""HTTP routes beside Dash's own: Flask blueprints under /api/v1. Adding some is a module and its name in `APIS`.

A module has `register(server, services)`. HeadscopeErrors become `{"error": message}` with status 400 (404 for an
unknown name, 503 for a store that cannot be read, or an engine with too many in line).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flask import Flask, Response, make_response
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from headscope.analysis.errors import HeadscopeError, StorageError, UnknownNameError
from headscope.dashboard.line import Busy
from headscope.dashboard.request_body import strict_bodies
from headscope.dashboard.security import error_json, wants_json
from headscope.dashboard.services import Services
from headscope.dashboard.units import mebibytes

APIS: list[str] = [
    "headscope.dashboard.api.health",
    "headscope.dashboard.api.owner",
    "headscope.dashboard.api.jobs",
    "headscope.dashboard.api.model_checks",
    "headscope.dashboard.api.runs_export",
    "headscope.dashboard.api.methods_export",
    "headscope.dashboard.api.heads_export",
    "headscope.dashboard.api.head_export",
    "headscope.dashboard.api.patching_export",
    "headscope.dashboard.api.failures",
    "headscope.dashboard.api.regression",
    "headscope.dashboard.api.toxicity",
    "headscope.dashboard.api.bias_export",
    "headscope.dashboard.api.charts_export",
    "headscope.dashboard.api.models_export",
    "headscope.dashboard.api.compare_export",
    "headscope.dashboard.api.blackbox_export",
    "headscope.dashboard.api.scoring",
    "headscope.dashboard.api.bias",
    "headscope.dashboard.api.arrays",
    "headscope.dashboard.api.explained",
    "headscope.dashboard.api.export",
    "headscope.dashboard.api.live",
    "headscope.dashboard.api.interventions",
]


def register_all(server: Flask, services: Services) -> None:
    """Register every API module, the error answers, and a 404 for paths under /api/ that none of them serves."""
    strict_bodies(server)
    for name in APIS:
        import_module(name).register(server, services)

    @server.errorhandler(HeadscopeError)
    def refused(error: HeadscopeError) -> tuple[dict[str, Any], int]:
        status = 404 if isinstance(error, UnknownNameError) else 503 if isinstance(error, StorageError | Busy) else 400
        return error_json(str(error), status)

    @server.errorhandler(HTTPException)
    def http(error: HTTPException) -> HTTPException | Response:
        """Errors of Flask itself, in the API's form; a fault of ours has been logged before and stays a 500."""
        response = error.get_response()
        if not wants_json() or response.status_code < 400:
            return error
        answer = make_response(error_json(error.description or error.name, response.status_code))
        for name, value in response.headers.items():
            if name in {"Allow", "Retry-After", "WWW-Authenticate"}:
                answer.headers[name] = value
        return answer

    @server.errorhandler(RequestEntityTooLarge)
    def too_large(error: RequestEntityTooLarge) -> Any:
        if not wants_json():
            return error
        most = mebibytes(services.settings.max_request_bytes)
        return error_json(f"this request is larger than the {most:g} MiB that one may be: send less, or in parts.", 413)

    @server.route("/api/", defaults={"rest": ""})
    @server.route("/api/<path:rest>")
    def unknown(rest: str) -> tuple[dict[str, Any], int]:
        return error_json(f"there is no /api/{rest}.", 404)
