"""What is around every page: theme, help, jumps, the way from one page to the next."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter
from tests.browser.conftest import OpenPage, serving
from tests.browser.runs_page import open_runs


def test_theme_is_chosen_once_help_is_a_key_and_two_keys_jump(page: Page, app_server: str) -> None:
    page.goto(app_server)
    html = page.locator("html")
    expect(html).to_have_attribute("data-bs-theme", "light")
    page.locator("#shell-theme-button").click()
    expect(html).to_have_attribute("data-bs-theme", "dark")
    page.reload()
    expect(html).to_have_attribute("data-bs-theme", "dark")
    expect(page.locator(".hs-stats")).to_be_visible()
    page.keyboard.press("t")
    expect(html).to_have_attribute("data-bs-theme", "light")
    help_and_jumps(page, app_server)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_theme_follows_the_system_before_the_first_paint(open_page: OpenPage, app_server: str, theme: str) -> None:
    page = open_page(theme=theme)
    page.goto(app_server, wait_until="commit")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
    assert page.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == theme


def test_a_lost_server_is_said_and_forgotten(open_page: OpenPage, seeded_store: Store) -> None:
    with serving(Services(seeded_store)) as url:
        page = open_page(expected="ERR_INTERNET_DISCONNECTED|Failed to fetch|the server did not respond")
        page.goto(url)
        expect(page.locator(".hs-stats")).to_be_visible()
        expect(page.locator(".hs-offline")).to_be_hidden()
        page.context.set_offline(True)
        expect(page.locator(".hs-offline")).to_be_visible()
        page.context.set_offline(False)
        expect(page.locator(".hs-offline")).to_be_hidden()


def help_and_jumps(page: Page, app_server: str) -> None:
    page.keyboard.press("?")
    expect(page.locator("#shell-help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#shell-help")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page).to_have_url(f"{app_server}/runs")
    expect(page.locator("#shell-nav-runs")).to_have_attribute("aria-current", "page")
    expect(page).to_have_title("Runs · Headscope")


@pytest.mark.own_page
def test_a_first_key_is_not_the_second_of_a_jump(page: Page, app_server: str) -> None:
    """With the clock stopped just after loading, when a g that was never pressed would still count."""
    page.add_init_script("performance.now = () => 5")
    open_runs(page, app_server)
    page.keyboard.press("c")  # g c would be Compare; nothing is selected, so c alone does nothing
    page.keyboard.press("j")
    expect(page.locator(".ag-cell-focus")).to_have_attribute("col-id", "text")
    assert page.url == f"{app_server}/runs"


@pytest.mark.own_page
def test_what_is_typed_on_a_page_that_is_left_goes_nowhere(page: Page, app_server: str) -> None:
    """The field is gone, and the address is another page's, when typing would have been reported."""
    page.clock.install()
    open_runs(page, app_server)
    page.locator("#runs-search").fill("bread")
    page.locator("#shell-nav-compare").click()
    expect(page.locator("#compare-root")).to_be_visible()
    page.clock.run_for(5000)
    expect(page.locator("#compare-pickers")).to_contain_text("Choose two runs")
    assert page.url == f"{app_server}/compare"


LEFT = (
    ("/live?text=The+cat", "#live-root.full", "headscope.live.page.link()"),
    ("/run?id={id}", "#run-root[data-ready]", "document.dispatchEvent(new KeyboardEvent('keydown', {key: ']'}))"),
    ("/runs", ".ag-row .hs-status", "dash_clientside.headscope_runs.go({keys: ['q'], query: '?q=bread'})"),
    ("/compare?a={id}&b={id}", "#compare-swap:enabled", "document.querySelector('#compare-changed').click()"),
)
"""A page's path, what stands there when it is drawn, and what makes it write its address."""


@pytest.mark.own_page
def test_a_page_that_is_being_left_writes_into_no_other_address(
    page: Page, app_server: str, seeded_store: Store
) -> None:
    """The address is the next page's at once, its content comes later: what the old page still does must not write."""
    run = seeded_store.runs_page(RunFilter((Condition("status", "eq", "succeeded"),)), limit=1).rows[0]
    page.clock.install()
    for path, ready, act in LEFT:
        page.goto(f"{app_server}{path.format(id=run.id)}")
        expect(page.locator(ready).first).to_be_visible()
        page.evaluate(f"() => {{ history.pushState({{}}, '', '/elsewhere'); {act}; }}")
        page.clock.run_for(5000)
        assert page.url == f"{app_server}/elsewhere", path
