"""Patching in a browser: typed prompts, the map, a cell, and what stands there when it cannot be done."""

from __future__ import annotations

import re
from urllib.parse import quote

from playwright.sync_api import Page, expect

CLEAN, CORRUPTED = "One two three four five", "One six three four five"


def test_typed_prompts_give_a_map_and_a_click_its_candidates(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/patching")
    expect(page.locator("#patching-map-body")).to_contain_text("No prompts yet")
    page.locator("#patching-clean").fill(CLEAN)
    page.locator("#patching-corrupted").fill(CORRUPTED)
    page.get_by_role("button", name="Patch").click()
    expect(page).to_have_url(re.compile(r"/patching\?clean=One"))
    expect(page.locator("#patching-graph .heatmaplayer image")).to_be_attached()
    expect(page.locator("#patching-map-body")).to_contain_text("Explained")
    box = page.locator("#patching-graph .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    expect(page).to_have_url(re.compile(r"layer=\d+&position=\d+"))
    expect(page.locator(".hs-patching-candidates table")).to_have_count(3)
    expect(page.locator("#patching-cell-body")).to_contain_text("Layer")


def test_prompts_of_unequal_length_say_what_to_do(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/patching?clean={quote(CLEAN)}&corrupted={quote(CORRUPTED + ' six')}")
    expect(page.locator("#patching-map-body [role=alert]")).to_contain_text("replace words")


def test_without_an_engine_the_page_says_so(page: Page, empty_server: str) -> None:
    page.goto(f"{empty_server}/patching")
    expect(page.locator("#patching-form-body")).to_contain_text("headscope serve")
    expect(page.locator("#patching-pairs-body")).to_contain_text("occupation_gender")
