"""What travels to a browser, and how often."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from plotly.offline import get_plotlyjs_version

from headscope.dashboard import figures
from headscope.dashboard.app import ASSETS, HEAD_SCRIPT, create_app
from headscope.dashboard.bundles import serve_bundle
from headscope.dashboard.delivery import PLOTLY
from headscope.dashboard.pages import load_pages
from headscope.dashboard.services import Services
from headscope.storage.repository import Store

ENCODED = {"Accept-Encoding": "gzip, br"}
PATHS = [module.PAGE.path for module in load_pages()]
GRID = "/dash_ag_grid/"


@pytest.fixture(scope="module")
def client(empty: Store) -> FlaskClient:
    return create_app(Services(empty)).server.test_client()


def addresses(page: str) -> list[str]:
    """Of everything a page loads."""
    return re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', page)


def test_everything_a_page_loads_is_compressed_and_kept(client: FlaskClient) -> None:
    found = addresses(client.get("/runs").text)
    assert 10 < len(found) < 25
    for address in found:
        answer = client.get(address, headers=ENCODED)
        assert answer.status_code == 200
        assert "max-age=31536000" in answer.headers["Cache-Control"], address
        assert len(answer.data) < 600 or answer.headers.get("Content-Encoding") in {"br", "gzip"}, address


def test_the_programs_own_files_are_two_with_everything_in_them(client: FlaskClient) -> None:
    """In the order of their paths, as style sheets need it; what a style names by where it lies is found."""
    ours = [address for address in addresses(client.get("/").text) if "/assets/all." in address]
    for kind, address in zip((".css", ".js"), ours, strict=True):
        content = client.get(address).text
        paths = sorted(path for path in ASSETS.rglob(f"*{kind}") if path.name not in {HEAD_SCRIPT, PLOTLY})
        assert len(paths) > 20
        assert re.findall(r"^/\* (\S+\.(?:css|js)) \*/$", content, re.M) == [
            str(path.relative_to(ASSETS)) for path in paths
        ]
        assert len(content) >= sum(len(path.read_text()) for path in paths)
    named = re.findall(r"""url\(["']?(?!["']?data:)([^"')]+)""", client.get(ours[0]).text)
    assert len(named) > 4
    assert [client.get(address).status_code for address in named] == [200] * len(named)


def test_an_address_changes_with_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.css").write_text("p { background: url('../b.svg#x') } q { mask: url(#m) }")
    (tmp_path / "left_out.css").write_text("b {}")
    (tmp_path / "script.js").write_text("f()  // ends")
    found = []
    for kind in (".css", ".css", ".js"):
        server = Flask("test")
        found.append(serve_bundle(server, tmp_path, "/there/", kind, without=("left_out.css",)))
        answer = server.test_client().get(found[-1])
        found.append(answer.text)
        (tmp_path / "a" / "two.css").write_text("c {}")
    assert found[1] == '/* a/one.css */\np { background: url("/there/b.svg#x") } q { mask: url(#m) }'
    assert found[3] == found[1] + "\n/* a/two.css */\nc {}"
    assert found[0] != found[2]
    assert found[5] == "/* script.js */\nf()  // ends\n;"
    assert answer.mimetype == "text/javascript"


def test_what_has_no_version_in_its_address_is_asked_for_again(client: FlaskClient) -> None:
    assert "immutable" not in client.get("/assets/boot.js").headers["Cache-Control"]
    assert "immutable" not in client.get("/assets/none.js?m=1").headers.get("Cache-Control", "")


@pytest.mark.parametrize("path", PATHS)
def test_the_grid_library_is_on_the_pages_of_a_grid_alone(client: FlaskClient, path: str) -> None:
    page = client.get(path).text
    told = re.findall(r'<meta name="headscope-library" data-package="dash_ag_grid" content="([^"]+)">', page)
    loaded = [address for address in addresses(page) if GRID in address]
    if path == "/runs":
        assert (len(loaded), told) == (1, [])
    else:
        assert loaded == []
        assert client.get(told[0]).status_code == 200


def test_a_layout_travels_compressed(client: FlaskClient) -> None:
    plain, packed = client.get("/_dash-layout"), client.get("/_dash-layout", headers=ENCODED)
    assert len(packed.data) < 0.3 * len(plain.data)


def test_plotly_is_the_small_bundle_of_the_version_that_draws_here(client: FlaskClient) -> None:
    """And has every kind of trace that a figure of ours is made of."""
    address = "/_dash-component-suites/plotly/package_data/plotly.min.js"
    answer = client.get(address, headers=ENCODED)
    assert "immutable" in answer.headers["Cache-Control"]
    assert len(answer.data) < 500_000
    script = client.get(address).text
    assert f"plotly.js (cartesian - minified) v{get_plotlyjs_version()}" in script[:200]
    code = "".join(path.read_text() for path in Path(figures.__file__).parent.glob("*.py"))
    traces = r"(?:\bgo\.(?!Figure)|\.add_(?!shape|hline|vline|annotation))([A-Z]\w+|[a-z]+)\("
    kinds = {name.lower() for name in re.findall(traces, code)}
    assert kinds >= {"scatter", "heatmap"}
    assert [kind for kind in kinds if f'name:"{kind}"' not in script] == []
