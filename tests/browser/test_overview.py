"""The Overview as a user meets it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from headscope.storage.repository import Store
from headscope.storage.rows import Condition
from tests.browser.conftest import OpenPage
from tests.browser.runs_page import COUNT, ROW, shown, total


def test_overview_leads_to_the_runs_behind_each_number(
    open_page: OpenPage, app_server: str, seeded_store: Store
) -> None:
    page, failed = open_page("dark"), total(seeded_store, Condition("status", "eq", "failed"))
    page.goto(app_server)
    tile = page.locator(".hs-stat", has_text="Failed")
    expect(tile.locator(".hs-stat-value")).to_have_text(str(failed))
    expect(page.locator("h1")).to_have_count(1)
    tile.click()
    expect(page).to_have_url(f"{app_server}/runs?status=failed")
    expect(page.locator(COUNT)).to_have_text(shown(failed))
    expect(page.locator(f"{ROW} .hs-cell-error").first).to_be_visible()
    page.go_back()
    expect(page.locator("#overview-models")).to_contain_text("15 of 15 quick checks passed")
    page.locator("#overview-experiments a", has_text="second").first.click()
    expect(page).to_have_url(f"{app_server}/runs?experiment=second")
    expect(page.locator(COUNT)).to_have_text(shown(total(seeded_store, Condition("experiment", "eq", "second"))))


def test_overview_is_walked_by_keys(page: Page, app_server: str) -> None:
    page.goto(app_server)
    expect(page.locator("table[data-rows=open] tbody tr").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("table[data-rows=open] tbody tr").nth(1)
    expect(second).to_have_attribute("aria-selected", "true")
    href = second.get_attribute("data-href")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{app_server}{href}")


def test_overview_refreshes_without_flicker(page: Page, app_server: str) -> None:
    page.goto(app_server)
    expect(page.locator(".hs-stats")).to_be_visible()
    page.evaluate("""() => {
        window.changes = 0;
        new MutationObserver((found) => window.changes += found.filter((m) => m.type === "childList").length)
            .observe(document.getElementById("overview-body"), {childList: true});
    }""")
    with page.expect_response(lambda r: "overview-body" in (r.request.post_data or "")) as response:
        page.evaluate("() => dash_clientside.set_props('overview-tick', { interval: 500 })")  # sooner than for a reader
    assert response.value.status == 204
    assert page.evaluate("() => window.changes") == 0


def test_empty_store_says_what_to_type(page: Page, empty_server: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(empty_server)
    command = page.locator(".hs-command code")
    expect(command).to_contain_text(
        "headscope run --prompts factual_recall --model smollm2-135m-instruct --experiment first"
    )
    page.locator(".hs-copy").click()
    expect(page.locator(".hs-copy")).to_contain_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == command.inner_text()
    page.goto(f"{empty_server}/runs")
    expect(page.locator("#runs-box")).to_contain_text("No runs yet")
    expect(page.locator("#runs-box .hs-command")).to_be_visible()
