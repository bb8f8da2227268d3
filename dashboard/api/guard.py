"""What routes for programs ask for before they do anything: the server's token."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from headscope.dashboard.security import bears_token, error_json
from headscope.dashboard.settings import Settings

View = Callable[..., Any]


def guard(settings: Settings) -> Callable[[View], View]:
    """Ask for the token before a route does anything."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(**arguments: str) -> Any:
            if not bears_token(settings):
                return error_json(
                    "this needs the server's token as `Authorization: Bearer TOKEN`: the one it was started with, or "
                    "the one in the .owner file beside the store.",
                    401,
                )
            return view(**arguments)

        return guarded

    return decorate
