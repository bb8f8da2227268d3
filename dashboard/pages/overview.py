"""Overview."""

from __future__ import annotations

from dash import Dash, html
from dash.development.base_component import Component

from dashboard.layout import page_header
from dashboard.pages import Page
from dashboard.services import Services

PAGE = Page("overview", "/", "Overview", "grid-1x2", 0, shortcut="o")


def layout(**query: str | list[str]) -> Component:
    """Skeleton."""
    return html.Div([page_header("Overview")])


def register(app: Dash, services: Services) -> None:
    """Callbacks."""
