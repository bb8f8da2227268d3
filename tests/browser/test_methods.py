"""The Methods page over stored receipts: choosing, sorting out, following a number to its runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests import method_runs
from tests.browser.conftest import THEMES, OpenPage, serving
from tests.browser.visit import visit
from tests.browser.window import too_wide


@pytest.fixture(scope="module")
def methods_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an app over `method_runs`."""
    with Store.open(str(tmp_path_factory.mktemp("browser") / "methods.duckdb")) as store:
        method_runs.fill(store)
        with serving(Services(store)) as url:
            yield url


CHOSEN = "/methods?experiment=compared&model=tiny"


def opened(page: Page, server: str, query: str = "?experiment=compared&model=tiny") -> Page:
    page.goto(f"{server}/methods{query}")
    expect(page.locator("#methods-board .hs-table").first).to_be_visible()
    expect(page.locator("#methods-matrix .hs-methods-matrix")).to_be_visible()
    expect(page.locator("#methods-disputes .hs-table")).to_be_visible()
    return page


def query_of(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_everything_is_there(open_page: OpenPage, methods_server: str) -> None:
    page = open_page("dark", width=900)
    opened(page, methods_server)
    expect(page.locator("#methods-board tbody th").first).to_contain_text("AttnLRP")
    expect(page.locator("#methods-board")).to_contain_text("has no scores on")
    expect(page.locator("#methods-receipts")).to_be_hidden()
    for width in (900, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert too_wide(page, "#shell-main") == []


def test_what_narrows_a_selection_stands_in_line_with_its_menus(open_page: OpenPage, methods_server: str) -> None:
    page = open_page()
    for name in ("methods", "heads"):
        page.goto(f"{methods_server}/{name}?status=succeeded&q=e")
        chips, menus = page.locator(".hs-scope > .hs-chips > *"), page.locator(".hs-scope > .hs-menu")
        expect(menus).to_have_count(3)
        for width in (390, 900, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            left = [place.first.evaluate("(node) => node.getBoundingClientRect().left") for place in (chips, menus)]
            assert left[0] == pytest.approx(left[1], abs=0.5), (name, width)


RATIOS = """() => {
  const paint = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (color) => { paint.fillStyle = color; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data]; };
  const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92
    : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  return [...document.querySelectorAll('.hs-methods-matrix td small')].map((node) => {
    const [a, b] = [light(rgb(getComputedStyle(node).color)),
      light(rgb(getComputedStyle(node.closest('td')).backgroundColor))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}"""
"""Contrast of every cell's small print with its own background."""


def test_numbers_on_colour_keep_their_contrast_in_both_themes(page: Page, methods_server: str) -> None:
    """At least 4.5 to 1."""
    for measure in ("tau", "overlap", "signs"):
        opened(page, methods_server, f"?experiment=compared&measure={measure}")
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
            ratios = page.evaluate(RATIOS)
            assert len(ratios) > 10
            assert min(ratios) >= 4.5, (measure, theme)


def test_choosing_an_experiment_and_a_model(page: Page, methods_server: str) -> None:
    page.goto(f"{methods_server}/methods")
    page.get_by_role("link", name="compared").click()
    expect(page.locator("#methods-board")).to_contain_text("2 models are pooled")
    page.locator("summary", has_text="Model:").click()
    page.locator(".hs-scope-menu[open]").get_by_role("link", name="tiny").click()
    expect(page.locator("#methods-board")).not_to_contain_text("pooled")
    expect(page.locator(".hs-scope-menu[open]")).to_have_count(0)
    assert query_of(page) == {"experiment": ["compared"], "model": ["tiny"]}
    page.go_back()
    expect(page.locator("#methods-board")).to_contain_text("2 models are pooled")
    page.locator("a[href^='/runs']", has_text="Show the runs").click()  # a selection of them, and back here with it
    page.locator("#runs-facets").get_by_role("link", name="tiny").click()
    page.locator("#runs-methods").click()
    expect(page).to_have_url(f"{methods_server}/methods?status=succeeded&model=tiny&experiment=compared")
    expect(page.locator("#methods-filters .hs-chip")).to_have_count(3)
    page.locator("#methods-filters .hs-chip", has_text="Model: tiny").click()
    expect(page.locator("#methods-board")).to_contain_text("2 models are pooled")
    expect(page.locator("#methods-filters .hs-chip")).to_have_count(2)


def a_switch_far_down_leaves_the_view_and_the_focus_where_they_are(page: Page) -> None:
    link = page.locator("#methods-matrix").get_by_role("link", name="Sign agreement")
    page.evaluate("document.querySelector('#methods-matrix').scrollIntoView()")  # a wheel would scroll later
    link.focus()
    before = page.evaluate("scrollY")
    assert before > 0
    page.keyboard.press("Enter")
    expect(page.locator("#methods-matrix")).to_contain_text("same sign")
    assert page.evaluate("scrollY") == before
    expect(link).to_be_focused()
    assert query_of(page)["measure"] == ["signs"]


def from_a_number_to_its_receipts_to_a_run(page: Page) -> None:
    page.locator("#methods-board tbody tr", has_text="Saliency").first.locator(".hs-gain").click()
    card = page.locator("#methods-receipts")
    expect(card).to_contain_text("no better than random here")
    expect(card).to_be_in_viewport()
    card.locator("tbody a").first.click()
    expect(page).to_have_url(re.compile(r"/run\?id=.+&methods=saliency$"))


def from_a_cell_to_the_prompts_its_methods_dispute(page: Page) -> None:
    page.locator(".hs-methods-matrix tbody tr", has_text="CP-LRP").get_by_role("link").first.click()
    expect(page.locator("#methods-disputes")).to_contain_text("Between CP-LRP and Saliency")
    expect(page.locator(".hs-methods-matrix td.hs-on")).to_have_count(2)
    page.get_by_role("link", name="All methods").click()
    expect(page.locator("#methods-disputes")).not_to_contain_text("Between CP-LRP")


def leaving_methods_out(page: Page) -> None:
    chooser = page.get_by_role("group", name="Methods compared")
    for name in ("Saliency", "CP-LRP"):
        chooser.get_by_role("link", name=name).click()
        expect(page.locator(".hs-methods-matrix thead", has_text=name)).to_have_count(0)
    assert query_of(page)["hide"] == ["saliency", "cp_lrp"]
    expect(page.locator(".hs-methods-matrix tbody tr")).to_have_count(3)


def tables_download_as_files_and_pictures(page: Page) -> None:
    page.locator("#methods-board").get_by_label("Download").click()
    with page.expect_download() as found:
        page.get_by_role("menuitem", name="Leaderboard").click()
    assert found.value.suggested_filename == "headscope-methods-leaderboard.csv"
    assert found.value.path().read_text().startswith("method,")
    for card, said in (("methods-board", "Verdicts"), ("methods-matrix", "AttnLRP")):
        page.locator(f"#{card}").get_by_label("Download").click()
        with page.expect_download() as drawn:
            page.locator(f"#{card}").get_by_role("menuitem", name="SVG").click()
        assert drawn.value.suggested_filename == f"{card}.svg"
        drawing = "".join(ElementTree.fromstring(drawn.value.path().read_text()).itertext())
        assert said in drawing
        assert "Experiment: compared · Model: tiny" in drawing  # which runs it is of
        assert "SELECT" not in drawing
    assert "rotate(-90" in drawn.value.path().read_text()  # names of columns run upwards, as on screen


def test_prompts_disputed_views_kept_downloads_receipts_and_methods_left_out(page: Page, methods_server: str) -> None:
    opened(page, methods_server)
    from_a_cell_to_the_prompts_its_methods_dispute(page)
    a_switch_far_down_leaves_the_view_and_the_focus_where_they_are(page)
    tables_download_as_files_and_pictures(page)
    from_a_number_to_its_receipts_to_a_run(page)
    visit(page, CHOSEN)
    leaving_methods_out(page)


def test_an_empty_store_and_an_unknown_experiment(page: Page, empty_server: str, methods_server: str) -> None:
    page.goto(f"{empty_server}/methods")
    expect(page.locator("#methods-filters")).to_contain_text("No runs yet")
    expect(page.locator("#methods-board")).to_be_hidden()
    page.goto(f"{methods_server}/methods?experiment=nowhere&k=900")
    expect(page.locator("#methods-filters")).to_contain_text("There is no run with experiment “nowhere”")
    expect(page.locator("#methods-notes")).to_contain_text("“k” in the link is 900")
    expect(page.locator("#methods-matrix")).to_be_hidden()
