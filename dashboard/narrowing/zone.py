"""The viewer's time zone: `boot.js` keeps it in a cookie, because days are what the viewer's clock says."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from flask import has_request_context, request

COOKIE = "headscope-zone"


def viewer_zone() -> tzinfo:
    """UTC outside of a request, without a cookie, and for a zone this machine does not know."""
    name = request.cookies.get(COOKIE, "") if has_request_context() else ""
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):  # no such zone, or what is no name of one
        return UTC
