"""Dash trusts what its callback endpoint is sent; a payload that no page of ours sends is answered with 400 here, so
that an exception in that endpoint is always a fault of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash.exceptions import DependencyException
from flask import Flask, request

from headscope.analysis.errors import InputError
from headscope.dashboard.request_body import json_object
from headscope.dashboard.security import error_json

ADDRESS = ("pathname", "search", "href", "hash")
"""Parts of the browser's address: texts, whatever the page."""
ENDPOINT = "/_dash-update-component"


class UnsentError(InputError):
    """A callback was handed a value that no page of ours hands it: raised there, answered with 400."""


def guard_callbacks(server: Flask, callbacks: Mapping[str, Mapping[str, Any]]) -> None:
    """Install the check, and a 404 for files that no component library has."""

    @server.errorhandler(DependencyException)
    def no_such_file(error: Exception) -> tuple[dict[str, Any], int]:
        return error_json(f"there is no such file of a component library: {error}", 404)

    @server.before_request
    def check() -> tuple[dict[str, Any], int] | None:
        if request.path != ENDPOINT or request.method != "POST":
            return None
        reason = misfit(callbacks, json_object())
        return error_json(f"this is no call of a page: {reason}.", 400) if reason else None


def misfit(callbacks: Mapping[str, Mapping[str, Any]], body: Mapping[str, Any]) -> str:
    """Why no callback has this payload, "" when one has."""
    output = body.get("output")
    callback = callbacks.get(output) if isinstance(output, str) else None
    if callback is None or "callback" not in callback:
        return "the output belongs to no callback of this server"
    for key in ("inputs", "state"):
        if not _fits(callback[key], body.get(key, [])):
            return f"{key} are not those of the callback"
    changed = body.get("changedPropIds", [])
    if not isinstance(changed, list) or not all(isinstance(name, str) for name in changed):
        return "changedPropIds must be a list of texts"
    fits = bool(callback.get("no_output")) or _outputs_fit(str(output), body.get("outputs"))
    return "" if fits else "outputs are not those of the callback"


def _fits(declared: Any, given: Any) -> bool:
    if not isinstance(given, list) or len(given) != len(declared):
        return False
    return all(_is_one_of(item, want) for item, want in zip(given, declared, strict=True))


def _is_one_of(item: Any, want: Mapping[str, Any]) -> bool:
    """Whether it is the declared property of the component, or for a pattern of those it stands for."""
    if str(want["id"]).startswith("{"):
        parts = item if isinstance(item, list) else [item]
        return all(_is_property(part) and part["property"] == want["property"] for part in parts)
    if not _is_property(item) or item["id"] != want["id"] or item["property"] != want["property"]:
        return False
    return want["property"] not in ADDRESS or isinstance(item.get("value"), str | None)


def _is_property(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("id"), str | dict) and isinstance(item.get("property"), str)


def _outputs_fit(output: str, given: Any) -> bool:
    """`..a.x...b.y..` is a list of outputs, `a.x` a single one."""
    if not output.startswith(".."):
        return _names(given) == output or ("{" in output and _known(given))
    names = output[2:-2].split("...")
    if not isinstance(given, list) or len(given) != len(names):
        return False
    return all(_names(item) == name or ("{" in name and _known(item)) for item, name in zip(given, names, strict=True))


def _names(item: Any) -> str:
    return f"{item['id']}.{item['property']}" if _is_property(item) else ""


def _known(item: Any) -> bool:
    return all(map(_is_property, item)) if isinstance(item, list) else _is_property(item)
