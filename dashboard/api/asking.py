"""What the routes that ask a model about typed texts share: reading a JSON body, and answering in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from flask import Response, jsonify

from headscope.analysis.errors import HeadscopeError, InputError, UnknownNameError
from headscope.dashboard.line import Busy, Superseded
from headscope.dashboard.security import error_json
from headscope.dashboard.services import PageEngine, Services


def answered(view: Callable[[], Response]) -> Callable[[], Response | tuple[dict[str, Any], int]]:
    """A view whose errors are answered in words, with a code that the page turns into advice."""

    @wraps(view)
    def called() -> Response | tuple[dict[str, Any], int]:
        try:
            return view()
        except Superseded:
            return error_json("a newer request took this one's place.", 409)
        except Busy as error:
            return error_json(str(error), 503)
        except HeadscopeError as error:
            answer, status = error_json(str(error), 404 if isinstance(error, UnknownNameError) else 422)
            return {**answer, "kind": error_kind(error)}, status

    return called


def error_kind(error: HeadscopeError) -> str:
    """A short code the page turns into advice."""
    if isinstance(error, UnknownNameError):
        return f"unknown_{error.kind}"
    return error.kind if isinstance(error, InputError) else type(error).__name__


def engine_of(services: Services) -> PageEngine:
    """What computes here. Raises InputError where nothing does."""
    if services.engine is None:
        raise InputError("this server shows stored results and computes nothing: start one with `headscope serve`.")
    return services.engine


def text_of(body: Mapping[str, Any], name: str) -> str:
    """A text of the body, "" where it has none. Raises InputError."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{name} must be text, not {type(value).__name__}.")
    return value or ""


def whole_of(body: Mapping[str, Any], name: str, default: int = 0) -> int:
    """A whole number of the body, from 0. Raises InputError."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{name} must be a whole number from 0.")
    return value


def caller_of(body: Mapping[str, Any]) -> tuple[str, int]:
    """Who asks, and the how manieth text of theirs this is."""
    return text_of(body, "client"), whole_of(body, "sequence")


def fresh(values: Mapping[str, Any]) -> Response:
    """JSON that no cache keeps."""
    response = jsonify(values)
    response.headers["Cache-Control"] = "no-store"
    return response


def model_of(body: Mapping[str, Any]) -> str:
    """The chosen model. Raises InputError without one."""
    if not (name := text_of(body, "model").strip()):
        raise InputError("choose a model first.")
    return name
