"""The app: `create_app(services)` builds a Dash app whose `server` is the WSGI application.

Nothing happens at import, nothing is global: two apps over two stores live side by side in one process.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dash import Dash, Input, Output, State, html, set_props
from dash.development.base_component import Component

from headscope.analysis.registry.foreign import leave_out
from headscope.dashboard import api, layout, security, sign_in, viewer
from headscope.dashboard.bundles import serve_bundle
from headscope.dashboard.callback_guard import UnsentError, guard_callbacks
from headscope.dashboard.cards import error_box, extra, icon
from headscope.dashboard.clientside import clientside
from headscope.dashboard.delivery import PLOTLY, App
from headscope.dashboard.ids import Shell
from headscope.dashboard.link_state import parse_query
from headscope.dashboard.pages import PageModule, is_ours, load_pages
from headscope.dashboard.services import Services
from headscope.dashboard.status import register_status

LOG = logging.getLogger("headscope.dashboard")
ASSETS = Path(__file__).parent / "assets"
HEAD_SCRIPT = "boot.js"  # sets the theme before the first paint, so it cannot wait for Dash's own scripts

INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <meta name="color-scheme" content="light dark">
    <title>{%title%}</title>
    <link rel="icon" type="image/svg+xml" href="HEADSCOPE_ICON">
    <script src="HEADSCOPE_BOOT"></script>
    {%css%}
    <link rel="stylesheet" href="HEADSCOPE_STYLES">
  </head>
  <body>
    {%app_entry%}
    <noscript>Headscope needs JavaScript.</noscript>
    <footer>{%config%}{%scripts%}<script src="HEADSCOPE_SCRIPTS"></script>{%renderer%}</footer>
  </body>
</html>"""


def create_app(services: Services) -> Dash:
    """Build the app over a store. Importing this module or calling this loads no torch and opens no connection."""
    settings = services.settings
    app = App(
        "dashboard",
        title=settings.title,
        update_title=None,  # the title stays while a callback runs
        assets_folder=str(ASSETS),
        assets_ignore=".",  # all of them: `_index` names what they are bundled into
        serve_locally=True,
        use_pages=False,
        suppress_callback_exceptions=True,
        on_error=show_error,
        enable_mcp=False,
    )
    app.index_string = _index(app)
    app.server.secret_key = settings.secret_key or secrets.token_hex(32)
    app.server.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes
    viewer.register(app.server)
    modules = register_pages(app, services)
    app.set_libraries({module.PAGE.path: module.PAGE.libraries for module in modules})
    app.layout = layout.shell(settings, [module.PAGE for module in modules])
    register_shell(app, modules)
    register_status(app, services)
    api.register_all(app.server, services)
    sign_in.register(app.server, settings)
    security.protect(app.server, settings, app.csp_hashes(), sign_in.demand)
    app.serve_small_plotly()
    guard_callbacks(app.server, app.callback_map)
    return app


def register_pages(app: Dash, services: Services) -> list[PageModule]:
    """The pages with their callbacks registered; one of another package that cannot be is left out."""
    kept = []
    for module in load_pages():
        try:
            module.register(app, services)
        except Exception as error:
            if is_ours(module):
                raise
            leave_out(f"the page {module.PAGE.path}", f", it cannot be registered: {type(error).__name__}: {error}")
        else:
            kept.append(module)
    return kept


def _index(app: Dash) -> str:
    """The document of every page, with the addresses of the program's own files."""
    prefix = f"/{app.config.assets_url_path}/"
    scripts, styles = (
        serve_bundle(app.server, ASSETS, prefix, kind, without=(HEAD_SCRIPT, PLOTLY)) for kind in (".js", ".css")
    )
    named = {"ICON": _asset(app, "favicon.svg"), "BOOT": _asset(app, HEAD_SCRIPT), "STYLES": styles, "SCRIPTS": scripts}
    return re.sub(r"HEADSCOPE_([A-Z]+)", lambda found: named[found[1]], INDEX)


def _asset(app: Dash, name: str) -> str:
    """Its address, another one when it changed, as Dash's own are."""
    return f"{app.get_asset_url(name)}?m={(ASSETS / name).stat().st_mtime}"


def register_shell(app: Dash, modules: Sequence[PageModule]) -> None:
    """Routing, theme and figure templates."""
    clientside(
        app,
        "headscope_shell",
        "route",
        Output(Shell.ROUTE, "data"),
        Input(Shell.URL, "pathname"),
        Input(Shell.URL, "search"),
        State(Shell.PAGES, "data"),
        State(Shell.ROUTE, "data"),
    )
    clientside(
        app,
        "headscope_shell",
        "theme",
        Output(Shell.THEME, "data"),
        Input(Shell.THEME_BUTTON, "n_clicks"),
        Input(Shell.TEMPLATES, "data"),
    )

    @app.callback(Output(Shell.PAGE, "children"), Input(Shell.ROUTE, "data"), prevent_initial_call=True)
    def show(route: Mapping[str, Any]) -> Component:
        return render(modules, str(route["path"]), str(route["search"]))


def render(modules: Sequence[PageModule], path: str, search: str) -> Component:
    """The layout of the page at `path`; a page that raises becomes a box that says so."""
    for module in modules:
        if module.PAGE.has(path):
            try:
                return module.layout(**parse_query(search))
            except Exception as error:
                LOG.exception("page %s", path)
                return error_box(f"build the page “{module.PAGE.label}”", error)
    return layout.not_found(path, [module.PAGE for module in modules])


def show_error(error: Exception) -> None:
    """A callback raised: its outputs stay as they are, and a message says what happened. Raises UnsentError, for which
    there is no page."""
    if isinstance(error, UnsentError):
        raise error
    LOG.error("a callback failed", exc_info=error)
    box = error_box("finish the last action", error)
    close = html.Button(
        icon("x-lg"), type="button", className="hs-icon-button", **extra(data_close="toast", aria_label="Close")
    )
    set_props(Shell.TOASTS, {"children": html.Div([box, close], key=secrets.token_hex(4), className="hs-toast")})
