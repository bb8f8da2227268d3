"""The Regression page as a user meets it: two models chosen, a verdict, a rule more, the flips and why, the file."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect


def test_two_models_are_compared_and_a_flip_leads_to_both_runs(themed_page: Page, app_server: str) -> None:
    page = themed_page
    page.goto(f"{app_server}/")
    expect(page.get_by_role("region", name="Prompt sets")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("e")
    expect(page.locator("#regression-verdict")).to_contain_text("Choose a baseline and a candidate")
    for label, name in (("Baseline", "first@tiny-gpt2"), ("Candidate", "first@tiny-llama")):
        page.locator("#regression-scope summary", has_text=label).click()
        page.locator("#regression-scope details[open]").get_by_role("link", name=name).click()
    expect(page).to_have_url(re.compile("baseline=first%40tiny-gpt2&candidate=first%40tiny-llama"))
    verdict = page.locator("#regression-verdict")
    expect(verdict.locator(".hs-regression-head")).to_have_text(re.compile("Passes|Fails|No verdict"))
    expect(page.locator("#regression-layer")).to_contain_text(re.compile("States differ|not compared"))
    page.get_by_role("group", name="Rules").get_by_role("link", name="surprisal").click()
    verdict.get_by_role("link", name="Leave out what was not measured").click()
    expect(verdict.locator(".hs-command code")).to_contain_text("--fail-on")
    expect(verdict).not_to_contain_text("nothing is known")
    with page.expect_download() as taken:
        verdict.locator("summary[aria-label=Download]").click()
        verdict.get_by_role("menuitem", name="JSON").click()
    with open(taken.value.path()) as file:
        report = json.load(file)
    assert report["experiments"] == {"baseline": "first@tiny-gpt2", "candidate": "first@tiny-llama"}
    rows = page.locator("#regression-measures tbody tr")
    expect(rows).to_have_count(len(report["changes"]))
    expect(verdict.locator(".hs-regression-verdicts li")).to_have_count(len(report["verdicts"]))
    kind = max(("broken", "mended"), key=lambda name: len(report[name]))
    if kind != "broken":
        page.locator("#regression-flips").get_by_role("link", name="Mended").click()
    flips = page.locator("#regression-flips tbody tr")
    expect(flips).to_have_count(min(10, len(report[kind])))
    page.keyboard.press("j")
    expect(flips.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    first = report[kind][0]
    expect(page).to_have_url(f"{app_server}/compare?a={first['baseline_run']}&b={first['candidate_run']}")
    page.go_back()
    expect(flips.first).to_be_visible()
