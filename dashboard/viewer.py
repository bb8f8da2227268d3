"""What a request says of its viewer, for what answers it and knows no requests: the time zone that `boot.js` keeps in a
cookie."""

from __future__ import annotations

from flask import Flask, request

from headscope.dashboard.narrowing import zone

ZONE = "headscope-zone"


def register(server: Flask) -> None:
    """Before every request, since threads answer one after another."""

    @server.before_request
    def keep_zone() -> None:
        zone.NAME.set(request.cookies.get(ZONE, ""))
