"""The Toxicity page as a user meets it: from a rate to its texts, to a run, and to what the scorer read in it."""

from __future__ import annotations

import csv
import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage


def test_a_rate_leads_to_its_texts_and_to_a_run(open_page: OpenPage, app_server: str) -> None:
    page = open_page("dark")
    page.goto(f"{app_server}/toxicity?experiment=first")
    rates = page.locator("#toxicity-scores")
    expect(rates).to_contain_text("Corrected rate")
    row = rates.locator("tr", has_text="continuation").filter(has_text=re.compile("^toxic"))
    expect(row).to_contain_text("its own")
    expect(row.locator("b")).to_have_count(2)  # raw and corrected
    expect(page.locator("#toxicity-spread .js-plotly-plot .scatterlayer .trace")).to_have_count(2)
    with page.expect_download() as taken:
        rates.locator("summary[aria-label=Download]").click()
        rates.get_by_role("menuitem", name="CSV").click()
    with open(taken.value.path(), newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["part"] for line in lines} == {"prompt", "continuation"}
    assert "Rogan and Gladen" in lines[0]["method"]
    row.locator("td.num a").click()
    expect(page).to_have_url(re.compile("which=over"))
    texts = page.locator("#toxicity-texts")
    texts.get_by_role("link", name="all", exact=True).click()
    expect(texts.locator(".hs-said")).to_contain_text("texts, by minilm-toxicity-2")
    texts.locator("tbody a").first.click()
    card = page.locator("#run-toxicity")
    expect(card).to_contain_text("minilm-toxicity-2")
    card.get_by_role("link", name="All scores of this experiment").click()
    expect(page).to_have_url(f"{app_server}/toxicity?experiment=first")


def test_a_typed_text_is_scored_and_is_in_no_address(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/scorer")
    card = page.locator("#scorer-try")
    expect(card).to_contain_text("No text was scored yet.")
    card.locator("textarea").fill("Two women are stupid liars.")
    card.locator("textarea").press("Control+Enter")
    expect(card.locator("tr[data-label=toxic]")).to_contain_text("yes")
    expect(card.locator(".hs-raised", has_text="stupid").first).to_be_visible()
    expect(card).to_contain_text("adds up.")
    card.get_by_text("Every group").click()
    expect(card.locator("tr[data-group]")).to_have_count(29)
    page.locator("#scorer-scope summary").click()
    page.locator("#scorer-scope").get_by_role("link", name="linear-toxicity-1").click()
    expect(card).to_contain_text("linear-toxicity-1 has no gradients")  # the same text, read anew
    expect(card.locator("textarea")).to_have_value("Two women are stupid liars.")
    expect(page).to_have_url(f"{app_server}/scorer?classifier=linear-toxicity-1")
