"""The viewer's time zone, because days are what the viewer's clock says. `dashboard/viewer.py` takes it from the
request; outside of one, as in a notebook, it is UTC."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

NAME: ContextVar[str] = ContextVar("the viewer's zone", default="")
"""As the viewer's browser calls it, of the request that this thread answers."""


def viewer_zone() -> tzinfo:
    """UTC where nothing is said, and for a zone this machine does not know."""
    name = NAME.get()
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):  # no such zone, or what is no name of one
        return UTC
