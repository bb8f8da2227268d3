"""The Failures page by keyboard alone: walk the cases, confirm, tag, see why, with the next case fetched before."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect


def test_cases_are_judged_tagged_and_explained_by_keyboard(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/failures?experiment=first")
    cases = page.locator("#failures-cases .hs-case")
    expect(cases.nth(1)).to_be_visible()
    first, second = cases.nth(0), cases.nth(1)
    page.keyboard.press("j")
    expect(first).to_be_focused()
    expect(second).to_have_attribute("data-why-ready", "")  # nobody has looked at it yet
    page.keyboard.press("e")
    field = page.get_by_label("Tags of this failure")
    expect(field).to_be_focused()
    field.fill("to look at, jyx")
    page.keyboard.press("Enter")
    expect(first.locator(".hs-case-tag")).to_have_text(["#to look at", "#jyx"])
    expect(first).to_be_focused()
    page.keyboard.press("w")
    why = first.locator(".hs-case-why")
    expect(why).to_contain_text("This case")
    expect(why).to_contain_text("not what caused the failure")
    page.keyboard.press("y")
    expect(first.locator(".hs-triage")).to_contain_text("confirmed")
    expect(first.locator(".hs-case-tag")).to_have_count(2)  # a verdict keeps the tags
    expect(second).to_be_focused()
    expect(second.locator(".hs-case-why")).to_contain_text("This case")
    page.keyboard.press("k")
    page.keyboard.press("n")
    note = page.get_by_label("A note on this failure")
    note.fill("never mind")
    page.keyboard.press("Escape")
    expect(note).to_have_count(0)
    expect(first.locator(".hs-case-said")).not_to_contain_text("never mind")
    first.get_by_role("link", name="#jyx").click()
    expect(page).to_have_url(re.compile("triage_tag=jyx"))
    expect(cases).to_have_count(1)
    expect(page.locator("#failures-cases")).to_contain_text("Your tag")
    expect(cases.locator("time")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("u")
    expect(cases.locator(".hs-triage")).to_contain_text("open")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/run\?id="))
