"""Clientside callbacks, by name only: an inline script would be one more hash in the content security policy."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Dash


def clientside(app: Dash, namespace: str, function: str, *dependencies: Any, **options: Any) -> None:
    """Register `window.dash_clientside[namespace][function]` with Outputs, Inputs and States in Dash's order."""
    app.clientside_callback(ClientsideFunction(namespace, function), *dependencies, **options)  # type: ignore[no-untyped-call]
