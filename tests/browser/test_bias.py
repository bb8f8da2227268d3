"""The Bias page: rows chosen by words and facets, two models side by side, the heads behind a pair, every width."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import expect

from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests import bias_store
from tests.browser.conftest import OpenPage, serving
from tests.browser.window import too_wide


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Store.open(str(tmp_path_factory.mktemp("browser") / "bias.duckdb")) as opened:
        bias_store.fill(opened)
        with serving(Services(opened)) as url:
            yield url


def test_from_rows_chosen_to_two_models_to_a_pair_and_its_heads(open_page: OpenPage, server: str) -> None:
    page = open_page()
    page.goto(f"{server}/bias?experiment=people&sort=effect")
    rows = page.locator("#bias-effects tbody tr.hs-bias-row")
    expect(rows).to_have_count(3)
    page.get_by_label("Words in a row’s name").fill("OLD")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(2)
    assert parse_qs(urlsplit(page.url).query) == {"experiment": ["people"], "sort": ["effect"], "q": ["OLD"]}
    page.locator(".hs-bias-filters summary", has_text="Model").click()
    page.locator(".hs-bias-filters details[open] a", has_text="two").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("+2.35")
    page.get_by_role("link", name="Clear all").click()
    expect(rows).to_have_count(3)
    expect(page.get_by_label("Words in a row’s name")).to_have_value("")
    page.locator("#bias-effects summary", has_text="Beside").click()
    page.locator("#bias-effects details[open] a").filter(has_text="two").first.click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("+1.00")
    page.goto(f"{server}/bias?experiment=heads&row={quote(bias_store.ROW)}")
    page.locator("#bias-pairs").get_by_role("link", name="heads").click()
    heads = page.locator("#bias-heads tbody tr")
    expect(heads.nth(1)).to_contain_text("2.1")
    heads.nth(1).get_by_role("link", name="compare").click()
    expect(page).to_have_url(re.compile(r"/compare\?.*la=2&ha=1$"))


def test_no_part_is_wider_than_the_window(open_page: OpenPage, server: str) -> None:
    page = open_page("dark", width=390)
    for address in (f"experiment=people&beside_model=two&row={quote(bias_store.ROW)}&pair=w3",
                    f"experiment=heads&row={quote(bias_store.ROW)}&pair=w0", "experiment=people&q=nobody"):  # fmt: skip
        page.goto(f"{server}/bias?{address}")
        expect(page.locator("#bias-effects .hs-said")).to_be_visible()
        expect(page.locator(".hs-loading")).to_have_count(0)
        for width in (360, 390, 900, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert too_wide(page) == [], f"{address} at {width} px"
