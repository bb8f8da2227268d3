"""Pages of other installed packages: found by their entry point; a broken one is said in the log and left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from headscope.dashboard.app import create_app
from headscope.dashboard.pages import load_pages
from headscope.dashboard.services import Services
from headscope.storage.repository import Store

PAGE = """
from dash import html
from headscope.dashboard.pages import Page

PAGE = Page("{name}", "/{name}", "Probe board", "box", 99)


def layout(**query):
    return html.Div(id="{name}-root")


def register(app, services):
    {register}
"""
POINTS = """[headscope.pages]
board = others_board
broken = others_broken
empty = others_empty
run = others_board
twin = others_twin
unready = others_unready
"""


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with a page, and five entry points that cannot be used."""
    info = tmp_path / "others-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1\n")
    (info / "entry_points.txt").write_text(POINTS)
    (tmp_path / "others_board.py").write_text(PAGE.format(name="board", register="pass"))
    (tmp_path / "others_broken.py").write_text("import no_such_module_at_all\n")
    (tmp_path / "others_empty.py").write_text("")
    (tmp_path / "others_twin.py").write_text(PAGE.format(name="compare", register="pass"))
    (tmp_path / "others_unready.py").write_text(PAGE.format(name="unready", register="raise ValueError('not today')"))
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("others")
def test_a_page_of_another_package_is_served_and_a_broken_one_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert "board" in [module.PAGE.name for module in load_pages()]
    caplog.clear()
    with Store.open(str(tmp_path / "store.duckdb")) as store:
        client = create_app(Services(store)).server.test_client()
        routes = str(client.get("/_dash-layout", headers={"Host": "127.0.0.1"}).json)
    assert "'/board'" in routes
    assert "/unready" not in routes
    said = sorted(record.getMessage() for record in caplog.records if record.name == "headscope.registry")
    assert said == [
        "broken (others_broken) is left out, it cannot be imported: ModuleNotFoundError: No module named "
        "'no_such_module_at_all'",
        "empty (others_empty) is left out: it is no module with PAGE, layout and register.",
        "others_board is left out: there is a run already; its package must give it another name.",
        "the page /unready is left out, it cannot be registered: ValueError: not today",
        "the page twin is left out: there is a page /compare already.",
    ]
