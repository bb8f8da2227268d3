"""Runs."""

from __future__ import annotations

from dash import Dash, html
from dash.development.base_component import Component

from dashboard.layout import page_header
from dashboard.pages import Page
from dashboard.services import Services

PAGE = Page("runs", "/runs", "Runs", "table", 10, shortcut="r")


def layout(**query: str | list[str]) -> Component:
    """Skeleton."""
    return html.Div([page_header("Runs")])


def register(app: Dash, services: Services) -> None:
    """Callbacks."""
