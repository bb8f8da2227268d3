"""JSON bodies, read in one place for the API and for Dash: what is not plain JSON is refused in words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from flask import Flask, Request, current_app, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from headscope.analysis.errors import InputError

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class StrictJSON(DefaultJSONProvider):
    """Every text that comes out can be stored and sent on, every number is finite, and no key stands twice."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Raises ValueError with what is wrong."""
        text = s if isinstance(s, str) else s.decode()
        try:
            value = json.loads(
                text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_distinct, **kwargs
            )
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if _ESCAPED_SURROGATE.search(text):
            _refuse_surrogates(value)
        return value


class StrictRequest(Request):
    """Says why a body is no JSON."""

    def on_json_loading_failed(self, e: ValueError | None) -> NoReturn:
        """Called by `get_json`; without an error the content type is another one."""
        if e is None:
            raise UnsupportedMediaType("the body must be JSON, sent as Content-Type: application/json.")
        raise BadRequest(f"the body is no JSON that can be read here: {e}.")


def strict_bodies(server: Flask) -> None:
    """Read every JSON body of this server strictly."""
    server.json = StrictJSON(server)
    server.request_class = StrictRequest


def json_object() -> Mapping[str, Any]:
    """The request's body. Raises InputError for what is no JSON object."""
    try:
        body = request.get_json()
    except (BadRequest, UnsupportedMediaType) as error:
        raise InputError(error.description or "the body must be JSON.") from error
    return _object(body)


def object_of(body: bytes) -> Mapping[str, Any]:
    """The same for a body that came in parts."""
    try:
        return _object(current_app.json.loads(body))
    except ValueError as error:
        raise InputError(f"the parts make no JSON that can be read here: {error}.") from error


def _object(body: object) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise InputError(f"the body must be a JSON object, not {type(body).__name__}.")
    return body


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse_surrogates(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and _SURROGATE.search(item):
            raise ValueError("a text has half of a surrogate pair, which is no Unicode")
