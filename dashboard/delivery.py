"""How pages and files travel: compressed, kept by the browser for good, and no library before a page wants it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from dash import Dash
from flask import Flask, Response, request, send_file
from flask_compress import Compress

COMPRESSED = [
    *("text/html", "text/css", "text/javascript", "application/javascript", "application/json", "image/svg+xml"),
    "application/octet-stream",  # arrays: attention is half zeros
]
FOR_GOOD = "public, max-age=31536000, immutable"
PLOTLY = "plotly-cartesian.min.js"  # in assets/00_vendor, of the version that plotly.py brings
SCRIPT = re.compile(r'<script src="([^"]+)"></script>')


class App(Dash):
    """A Dash app whose pages say which component libraries they need (`Page.libraries`).

    Dash puts every library into every page. Here a page that names one gets it at once, the others get its address,
    with which assets/50_base/routing.js loads it on the way to such a page.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._libraries: dict[str, Sequence[str]] = {}
        self.server.config["COMPRESS_MIMETYPES"] = COMPRESSED
        Compress(self.server)
        _keep_for_good(self.server, f"/{self.config.assets_url_path}/")

    def set_libraries(self, of_paths: Mapping[str, Sequence[str]]) -> None:
        """`of_paths`: the libraries (names of component packages) of each page's path."""
        self._libraries = dict(of_paths)

    def serve_small_plotly(self) -> None:
        """In place of the whole plotly.js, a third of it: no figure here is a map or three-dimensional.

        Call it after `security.protect`: requests are answered by the first that has an answer.
        """
        server: Flask = self.server
        script = Path(self.config.assets_folder) / "00_vendor" / PLOTLY

        @server.before_request
        def plotly() -> Response | None:
            if "/_dash-component-suites/plotly/package_data/plotly." not in request.path:
                return None
            answer = send_file(script, mimetype="text/javascript")
            answer.headers["Cache-Control"] = FOR_GOOD  # Dash's address names plotly's version
            return answer

    def interpolate_index(self, **parts: str) -> str:  # type: ignore[override]  # Dash passes them by name
        """Called by Dash for the HTML of a page."""
        here = self._libraries.get(request.path, ())
        later = {name for names in self._libraries.values() for name in names} - set(here)
        addresses = []
        for name in later:
            for tag in SCRIPT.finditer(parts["scripts"]):
                if f"/{name}/" in tag[1]:
                    parts["scripts"] = parts["scripts"].replace(tag[0], "")
                    addresses.append(
                        f'<meta name="headscope-library" data-package="{escape(name)}" content="{tag[1]}">'
                    )
        metas = "".join((parts["metas"], *addresses))
        return str(super().interpolate_index(**(parts | {"metas": metas})))  # type: ignore[no-untyped-call]


def _keep_for_good(server: Flask, assets: str) -> None:
    """An asset's address changes when the asset does (`?m=`): a browser need not ask again."""

    @server.after_request
    def keep(response: Response) -> Response:
        if request.path.startswith(assets) and "m" in request.args and response.status_code == 200:
            response.headers["Cache-Control"] = FOR_GOOD
        return response
