"""Ids of the shell. Every page has its own `class Ids(StrEnum)` whose values start with the page's name."""

from __future__ import annotations

from enum import StrEnum


class Shell(StrEnum):
    """Ids that exist on every page.

    `URL` is the dcc.Location: pages read `Input(Shell.URL, "search")`. `THEME` is a dcc.Store holding "light" or
    "dark", for the rare callback that must know.
    """

    URL = "shell-url"
    ROUTE = "shell-route"
    PAGES = "shell-pages"
    PAGE = "shell-page"
    MAIN = "shell-main"
    NAV = "shell-nav"
    NAV_TOGGLE = "shell-nav-toggle"
    STATE = "shell-state"
    STATE_TICK = "shell-state-tick"
    THEME = "shell-theme"
    THEME_BUTTON = "shell-theme-button"
    TEMPLATES = "shell-templates"
    TOASTS = "shell-toasts"
    OFFENSIVE = "shell-offensive"
    HELP = "shell-help"
    HELP_BUTTON = "shell-help-button"
