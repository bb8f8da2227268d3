"""The Live page in its link, its tab and its window."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter
from tests.browser.conftest import OpenPage
from tests.browser.live_page import CHIPS, DRAWN, TEXT, open_live
from tests.browser.window import too_wide


def test_the_whole_view_is_in_the_link(page: Page, open_page: OpenPage, app_server: str) -> None:
    open_live(page, app_server, more="&position=4&unit=nats&layer=2&head=3&view=links&leave=word&temperature=0.5")
    page.locator("#live-colours [data-value=occlusion]").click()
    page.locator("#live-removal [data-value=delete]").click()
    expect(page).to_have_url(re.compile("colour=occlusion.*leave=word.*instead=delete.*temperature=0.5"))
    again = open_page()
    again.goto(page.url)
    expect(again.locator(DRAWN)).to_be_visible()
    assert again.locator("#live-text").input_value() == TEXT
    expect(again.locator(CHIPS).nth(4)).to_have_attribute("aria-pressed", "true")
    for pressed in ("#live-colours [data-value=occlusion]", "#live-removal [data-value=delete]", "[data-value=word]"):
        expect(again.locator(pressed)).to_have_attribute("aria-pressed", "true")
    assert again.locator("#live-temperature").input_value() == "0.5"
    assert again.evaluate("headscope.live.page.result.explained.masking") == "delete"
    state = again.evaluate("headscope.live.page.attention.state()")
    assert (state["layer"], state["head"], state["view"]) == (2, 3, "links")


def test_bad_values_in_the_link_are_named_and_a_long_text_stays_out_of_it(page: Page, app_server: str) -> None:
    open_live(page, app_server, more="&layer=-3&colour=rainbow")
    expect(page.locator(".hs-notes")).to_contain_text("“layer” in the link")
    expect(page.locator(".hs-notes")).to_contain_text("rainbow")
    page.evaluate("headscope.live.page.limits.link = 10")
    page.locator("#live-text").press_sequentially("?")
    expect(page).not_to_have_url(re.compile("text="))
    expect(page.locator("#live-link")).to_have_attribute("title", re.compile("everything but the text"))


@pytest.mark.parametrize("text", ["", TEXT, "longword" * 6])
def test_the_page_fits_its_window(open_page: OpenPage, app_server: str, text: str) -> None:
    page = open_page(width=390)
    page.goto(f"{app_server}/live?model=tiny-gpt2&text={quote(text)}")
    expect(page.locator(DRAWN if text else "#live-message.hint")).to_be_visible()
    assert too_wide(page, "#live-root") == []
    page.set_viewport_size({"width": 900, "height": 900})
    assert too_wide(page, "#live-root") == []


def test_the_tab_carries_the_text(page: Page, app_server: str, seeded_store: Store) -> None:
    page.goto(f"{app_server}/live")
    expect(page).to_have_title("Live · Headscope")
    page.select_option("#live-model", "tiny-gpt2")
    page.locator("#live-text").fill("The river\nruns to the sea and the sea is far away from the old town")
    expect(page).to_have_url(re.compile("text=The"))
    expect(page).to_have_title("The river runs to the sea and the sea is far away from the … · Live · Headscope")
    page.locator(".hs-nav-link", has_text="Runs").click()
    expect(page).to_have_title("Runs · Headscope")
    run = seeded_store.runs_page(RunFilter((Condition("text", "eq", "naïve café 🧭"),))).rows[0]
    page.goto(f"{app_server}/run?id={run.id}")
    expect(page).to_have_title(re.compile(r"^na.*· Run · Headscope$"))
    page.locator(".hs-nav-link", has_text="Live").click()
    expect(page).to_have_title("Live · Headscope")
