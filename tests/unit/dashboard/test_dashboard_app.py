"""The app as a whole: every page, every header, nothing from outside, nothing heavy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dash import Dash
from dash.development.base_component import Component
from flask.testing import FlaskClient

from headscope import dashboard
from headscope.dashboard.app import ASSETS, create_app, render
from headscope.dashboard.delivery import PLOTLY
from headscope.dashboard.layout import shell
from headscope.dashboard.pages import PAGES, load_pages
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.storage.repository import Store
from tests.page_parts import walk

HOST = {"Host": "127.0.0.1:8050"}
MODULES = load_pages()
OUR_PLOTLY = "/_dash-component-suites/plotly/package_data/plotly.min.js"  # in place of what Dash would send


@pytest.fixture(scope="module")
def app(empty: Store) -> Dash:
    return create_app(Services(empty))


@pytest.fixture
def client(app: Dash) -> FlaskClient:
    return app.server.test_client()


def ids(root: Any) -> list[str]:
    return [str(c.id) for c in walk(root) if getattr(c, "id", None) is not None]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.PAGE.name)
def test_every_page_is_served(client: FlaskClient, module: Any) -> None:
    response = client.get(module.PAGE.path, headers=HOST)
    assert response.status_code == 200
    assert "react-entry-point" in response.text


@pytest.mark.parametrize("query", ["", "?id=unknown&layer=abc&a=1&nope=%F0%9F%99%82", "?" + "x" * 3000, "?=&&==%%"])
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.PAGE.name)
def test_ids_are_unique_whatever_the_link_says(module: Any, query: str) -> None:
    page = render(MODULES, module.PAGE.path, query)
    found = Counter(ids([shell(Settings(), [m.PAGE for m in MODULES]), page]))
    assert [name for name, count in found.items() if count > 1] == []
    prefix = module.PAGE.name
    assert all(name.startswith((f"{prefix}-", "{")) for name in ids(page))


def test_pages_have_their_own_paths_and_keys() -> None:
    for values in ([m.PAGE.path for m in MODULES], [m.PAGE.shortcut for m in MODULES if m.PAGE.shortcut]):
        assert len(set(values)) == len(values)
    assert len(MODULES) == len(PAGES)


def test_every_callback_of_the_shell_and_the_lists_has_its_walk(app: Dash) -> None:
    known = set(ids(app.layout))
    for module in MODULES:
        known |= set(ids(render(MODULES, module.PAGE.path, "")))
    own = ("shell-", "overview-", "runs-")
    for callback in app._callback_list:
        wanted = [entry["id"] for key in ("inputs", "state") for entry in callback[key]]
        wanted += re.findall(r"([\w-]+)\.\w+", callback["output"])
        assert [name for name in wanted if name.startswith(own) and name not in known] == []


def test_an_unknown_path_is_explained() -> None:
    assert "Nothing is shown at /nowhere" in json.dumps(render(MODULES, "/nowhere", "").to_plotly_json(), default=str)


def test_a_page_that_raises_becomes_a_box() -> None:
    class Broken:
        PAGE = MODULES[0].PAGE

        @staticmethod
        def layout(**query: Any) -> Component:
            raise ValueError("the layout is broken")

    text = json.dumps(render([Broken], Broken.PAGE.path, "").to_plotly_json(), default=lambda c: c.to_plotly_json())  # type: ignore[list-item]
    assert "Could not build the page" in text
    assert "the layout is broken" in text


def test_two_apps_in_one_process_do_not_mix(empty: Store) -> None:
    one, two = (create_app(Services(empty, settings=Settings(title=title))) for title in ("One", "Two"))
    assert "<title>One" in one.server.test_client().get("/", headers=HOST).text
    assert "<title>Two" in two.server.test_client().get("/", headers=HOST).text
    assert len(one._callback_list or one.callback_map) == len(two._callback_list or two.callback_map)


def test_importing_the_app_loads_no_model_library() -> None:
    code = (
        "import sys, headscope.dashboard.app, headscope.dashboard.server\n"
        "from headscope.dashboard.pages import load_pages; load_pages()\n"
        "heavy = {'torch', 'transformers', 'captum', 'shap'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_no_field_uses_the_debounce_of_dash() -> None:
    """Its timer reads the field after a redraw took it away: assets/50_base/typed.js reports what is typed."""
    sources = {path: path.read_text() for path in Path(dashboard.__file__).parent.rglob("*.py")}
    assert sources
    assert [str(path) for path, text in sources.items() if re.search(r"\bdebounce\s*=|dcc\.Input\(", text)] == []


# ---- headers and refusals ------------------------------------------------------------------------------------------


def test_security_headers(client: FlaskClient) -> None:
    headers = client.get("/", headers=HOST).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["object-src"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy["script-src"]
    assert "sha256-" in policy["script-src"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_every_inline_script_is_allowed_by_its_hash(app: Dash, client: FlaskClient) -> None:
    import base64
    import hashlib

    response = client.get("/", headers=HOST)
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", response.text, re.DOTALL)
    inline = [body for attributes, body in scripts if body.strip() and "application/json" not in attributes]
    assert inline
    for body in inline:
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8050"}, 200),
        ({"Host": "[::1]:8050"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:8050"}, 403),
    ],
)
def test_only_our_own_names_are_answered(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    for path in ("/_dash-layout", OUR_PLOTLY):
        assert client.get(path, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"Origin": "http://127.0.0.1:8050", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://127.0.0.1:9999"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer guess"}, True),
    ],
)
def test_other_sites_cannot_post(client: FlaskClient, headers: dict[str, str], refused: bool) -> None:
    body = {"output": "nothing.children", "inputs": [], "changedPropIds": []}
    response = client.post("/_dash-update-component", json=body, headers=HOST | headers)
    assert (response.status_code == 403) is refused


@pytest.mark.parametrize(("given", "status"), [("right", 405), ("guess", 403), ("", 403)])
def test_only_a_right_token_may_come_from_anywhere(empty: Store, given: str, status: int) -> None:
    client = create_app(Services(empty, settings=Settings(api_token="right"))).server.test_client()
    headers = HOST | {"Sec-Fetch-Site": "cross-site", "Authorization": f"Bearer {given}"}
    assert client.post("/api/v1/nothing", headers=headers).status_code == status


def test_no_token_is_right_where_the_server_has_none(client: FlaskClient) -> None:
    for given in ("Bearer ", "Bearer x", "Bearer"):
        headers = HOST | {"Sec-Fetch-Site": "cross-site", "Authorization": given}
        assert client.post("/api/v1/nothing", headers=headers).status_code == 403


def test_a_named_host_is_served_when_allowed(empty: Store) -> None:
    settings = Settings(host="0.0.0.0", allowed_hosts=("lab.example",))
    client = create_app(Services(empty, settings=settings)).server.test_client()
    assert client.get("/", headers={"Host": "lab.example"}).status_code == 200
    assert client.get("/", headers={"Host": "other.example"}).status_code == 403


def test_unknown_api_paths_are_json(client: FlaskClient) -> None:
    response = client.get("/api/v1/nothing", headers=HOST)
    assert response.status_code == 404
    assert "nothing" in response.get_json()["error"]


def test_a_body_that_is_too_large_is_refused(empty: Store) -> None:
    client = create_app(Services(empty, settings=Settings(max_request_bytes=1000))).server.test_client()
    response = client.post("/_dash-update-component", data=b"x" * 2000, headers=HOST, content_type="application/json")
    assert response.status_code == 413


# ---- nothing from outside ------------------------------------------------------------------------------------------

NAMESPACES = ("http://www.w3.org/",)
OF_PLOTLY = ("https://plotly.com/", "https://cloud.plotly.com/newchart", "https://cdn.plot.ly/un/")
"""Behind a logo and a button that no figure shows, and of maps, which the small bundle has not."""


def test_nothing_is_loaded_from_outside(client: FlaskClient) -> None:
    html = client.get("/", headers=HOST).text
    links = re.findall(r"""(?:src|href)=["']([^"']+)["']""", html)
    assert links
    assert [link for link in links if not link.startswith("/")] == []
    for link in links:
        assert client.get(link, headers=HOST).status_code == 200, link


def test_assets_name_nothing_outside() -> None:
    for path in sorted(ASSETS.rglob("*")):
        if path.suffix not in {".css", ".js", ".svg", ".html"}:
            continue
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        found = [
            url for url in re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", text) if url.startswith(("http", "//"))
        ]
        known = NAMESPACES + OF_PLOTLY if path.name == PLOTLY else NAMESPACES
        outside = [url for url in found if not url.startswith(known) and "://" in url]
        assert outside == [], path
        assert not re.search(r"url\(\s*[\"']?//", text), path


def test_vendored_files_are_licensed_and_used() -> None:
    vendor = ASSETS / "00_vendor"
    licences = (vendor / "LICENSES.md").read_text()
    css = "".join(path.read_text() for path in vendor.glob("*.css"))
    assert not list(vendor.rglob("*.map"))
    for path in vendor.rglob("*"):
        if path.suffix in {".css", ".js", ".woff2"} and path.name != "fonts.css":
            assert path.name in licences or path.name.split("-")[0] in licences
        if path.suffix == ".woff2":
            assert path.name in css
    for name in re.findall(r"url\([\"']?(fonts/[\w-]+\.woff2)", css):
        assert (vendor / name).exists()


def test_every_icon_exists() -> None:
    css = (ASSETS / "00_vendor/bootstrap-icons.min.css").read_text()
    known = set(re.findall(r"\.bi-([\w-]+)::before", css))
    root = Path(create_app.__code__.co_filename).parent
    used = {icon for path in root.rglob("*.py") for icon in re.findall(r"\bicon\(\s*\"([\w-]+)\"", path.read_text())}
    used |= {module.PAGE.icon for module in MODULES}
    assert used
    assert used - known == set()
