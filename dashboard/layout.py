"""The shell around every page: navigation, store state, theme, help, messages."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html

from headscope.dashboard import links
from headscope.dashboard.cards import Children, extra, icon
from headscope.dashboard.figures import theme
from headscope.dashboard.ids import Shell
from headscope.dashboard.pages import Page
from headscope.dashboard.settings import Settings

SHORTCUTS = (
    ("Everywhere", (("/", "search"), ("?", "this help"), ("g", "then a letter of the navigation: go there"),
                    ("t", "light or dark"), ("o", "show or cover offensive texts"),
                    ("Esc", "close"))),
    ("Lists", (("j k", "next, previous row"), ("Enter", "open"), ("Space", "select"), ("c", "compare the selection"))),
    ("Why", (("u", "undo the last intervention"),)),
    ("Run, live and head", (("[ ]", "previous, next layer"), (", .", "previous, next head"))),
)  # fmt: skip


def page_header(title: Children, subtitle: Children = "", actions: Children = None) -> html.Header:
    """The head of a page: its one h1, a line saying what it shows, and its actions."""
    return html.Header(
        [
            html.Div([html.H1(title), html.P(subtitle, className="hs-page-subtitle")], className="hs-page-heading"),
            html.Div(actions, className="hs-page-actions"),
        ],
        className="hs-page-head",
    )


def notes_box(notes: Sequence[str]) -> html.Div:
    """What in the link could not be used (see `params.QueryState.notes`); nothing when there is nothing to say."""
    rows = [html.Li(note) for note in notes]
    return html.Div([icon("info-circle"), html.Ul(rows)] if rows else None, className="hs-notes", role="status")


def not_found(path: str, pages: Sequence[Page]) -> html.Div:
    """The page for a path no page has."""
    entries = [html.Li(dcc.Link(page.label, href=page.path)) for page in pages if page.in_nav]
    return html.Div(
        [page_header("No such page", f"Nothing is shown at {path}."), html.P("These pages exist:"), html.Ul(entries)]
    )


def shell(settings: Settings, pages: Sequence[Page]) -> html.Div:
    """The static layout of the app."""
    routes = [
        {
            "name": p.name, "path": p.path, "label": p.label, "identity": list(p.identity), "shortcut": p.shortcut,
            "libraries": list(p.libraries), "below": p.below,
        }
        for p in pages
    ]  # fmt: skip
    return html.Div(
        [
            html.A("Skip to content", href=f"#{Shell.MAIN}", className="hs-skip"),
            dcc.Location(id=Shell.URL),
            dcc.Store(id=Shell.ROUTE),
            dcc.Store(id=Shell.PAGES, data={"title": settings.title, "pages": routes}),
            dcc.Store(id=Shell.THEME),
            dcc.Store(id=Shell.TEMPLATES, data=theme.for_browser()),
            dcc.Interval(id=Shell.STATE_TICK, interval=15_000),
            html.Div(className="hs-progress", **extra(aria_hidden="true")),
            _navigation(settings, pages),
            html.Main(html.Div(id=Shell.PAGE), id=Shell.MAIN, tabIndex="-1"),
            html.Div(
                [
                    icon("plug"),
                    "The server does not answer. What you see may be old; it goes on when the server is back.",
                ],
                className="hs-offline",
                role="alert",
            ),
            html.Div(id=Shell.TOASTS, className="hs-toasts", **extra(aria_live="assertive")),
            _help(pages),
        ],
        className="hs-shell",
    )


def _navigation(settings: Settings, pages: Sequence[Page]) -> html.Nav:
    entries = [
        html.Li(
            dcc.Link(
                [icon(page.icon), html.Span(page.label, className="hs-nav-label")],
                href=page.path, className="hs-nav-link", title=page.label, id=f"{Shell.NAV}-{page.name}",
            )
        )
        for page in pages
        if page.in_nav
    ]  # fmt: skip
    brand = dcc.Link(
        [
            html.Span(className="hs-logo", **extra(aria_hidden="true")),
            html.Span(settings.title, className="hs-nav-label"),
        ],
        href=links.OVERVIEW, className="hs-brand", title=settings.title,
    )  # fmt: skip
    return html.Nav(
        [
            brand,
            html.Ul(entries, className="hs-nav-list"),
            html.Div(id=Shell.STATE, className="hs-state"),
            html.Div(
                [
                    _tool(Shell.THEME_BUTTON, "circle-half", "Light or dark (t)"),
                    _switch(Shell.OFFENSIVE, "Show offensive texts (o)"),
                    _tool(Shell.HELP_BUTTON, "keyboard", "Keyboard help (?)"),
                    _tool(Shell.NAV_TOGGLE, "layout-sidebar", "Narrow or wide navigation"),
                ],
                className="hs-nav-tools",
            ),
        ],
        id=Shell.NAV, className="hs-nav", **extra(aria_label="Pages"),
    )  # fmt: skip


def _tool(id_: str, icon_name: str, label: str) -> html.Button:
    return html.Button(
        icon(icon_name), id=id_, type="button", className="hs-icon-button", title=label, **extra(aria_label=label)
    )


def _switch(id_: str, label: str) -> html.Button:
    """An eye, closed while the switch is off; covered.js turns it."""
    return html.Button(
        [icon("eye-slash"), icon("eye")], id=id_, type="button", className="hs-icon-button", title=label,
        **extra(aria_label=label, aria_pressed="false"),
    )  # fmt: skip


def _help(pages: Sequence[Page]) -> html.Dialog:
    jumps = tuple((f"g {page.shortcut}", page.label.lower()) for page in pages if page.shortcut)
    groups = [*SHORTCUTS, ("Go to", jumps)]
    blocks = [
        html.Section(
            [
                html.H3(name),
                html.Dl(
                    [html.Div([html.Dt([html.Kbd(k) for k in keys.split()]), html.Dd(what)]) for keys, what in rows]
                ),
            ]
        )
        for name, rows in groups
    ]
    close = html.Button(
        icon("x-lg"), type="button", className="hs-icon-button", **extra(data_close="dialog", aria_label="Close")
    )
    head = html.Header([html.H2("Keyboard"), close])
    return html.Dialog([head, html.Div(blocks, className="hs-help-grid")], id=Shell.HELP, className="hs-dialog",
                       **extra(aria_label="Keyboard help"))  # fmt: skip
