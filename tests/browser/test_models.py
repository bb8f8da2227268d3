"""The Models page as a user meets it: two models, the flips, and from a flip to Compare and to Why."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from headscope.storage.repository import Store
from headscope.storage.rows.models import Sides
from tests.browser.seed import MODELS


def test_from_two_models_to_their_flips_to_compare_and_to_why(page: Page, app_server: str, seeded_store: Store) -> None:
    sides = Sides(*MODELS, "first", "first")
    both, rows = seeded_store.models_beside(sides).matched.both, seeded_store.flips(sides)
    assert rows, "the tiny models agree in everything: seed them otherwise"
    page.goto(app_server)
    expect(page.locator("h1")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("v")
    expect(page).to_have_url(f"{app_server}/models")
    scope = page.locator("#models-scope")
    scope.get_by_text("Experiment: all").click()
    scope.get_by_role("link", name=re.compile("^first")).first.click()
    expect(page).to_have_url(re.compile("experiment=first"))
    if f"First: {MODELS[0]}" not in scope.inner_text().replace("\n", " "):
        scope.get_by_role("link", name="Swap").click()
    expect(scope.get_by_text(f"First: {MODELS[0]}")).to_be_visible()
    summary = page.locator("#models-summary")
    expect(summary.locator(".hs-said")).to_contain_text(f"{both} prompts that both models ran")
    expect(summary.locator("thead")).to_contain_text(MODELS[1])
    flips = page.locator("#models-flips")
    expect(flips.locator("tbody tr")).to_have_count(len(rows))
    first = flips.locator("tbody tr").first
    csv = flips.get_by_role("menuitem", name="CSV", include_hidden=True)
    expect(csv).to_have_attribute("href", re.compile("experiment=first"))  # rows may be the same before and after
    with page.expect_download() as saved:
        flips.get_by_title("Download").click()
        csv.click()
    assert saved.value.suggested_filename == "headscope-models-flips.csv"
    page.keyboard.press("Escape")
    first.get_by_role("link", name="Compare").click()
    expect(page).to_have_url(re.compile(f"a={rows[0].first_run}&b={rows[0].second_run}"))
    expect(page.locator("#compare-facts .hs-stat").first).to_be_visible()
    page.go_back()
    first.get_by_role("link", name="Why, second").click()
    expect(page).to_have_url(re.compile("/patching"))
    asked = parse_qs(urlsplit(page.url).query)
    assert (asked["clean"], asked["model"]) == ([rows[0].text], [MODELS[1]])
    expect(page.get_by_label("Clean prompt")).to_have_value(rows[0].text)
