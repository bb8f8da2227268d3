"""GET /healthz: whether the server answers. It tells nothing else, so it asks for no token."""

from __future__ import annotations

from flask import Flask, Response

from headscope.dashboard.services import Services


def register(server: Flask, services: Services) -> None:
    """Add the route."""

    @server.get("/healthz")
    def healthy() -> Response:
        return Response("ok\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})
