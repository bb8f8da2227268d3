"""A server with a token, as somebody meets it who follows a link to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect

from dashboard.services import Services
from dashboard.settings import Settings
from storage.repository import Store
from tests.browser.conftest import OpenPage, serving

TOKEN = "a-token-of-the-team"


@pytest.fixture(scope="module")  # it must outlive the page: what a page asks of a server that left is an error there
def closed_server(seeded_store: Store) -> Iterator[str]:
    with serving(Services(seeded_store, settings=Settings(token=TOKEN))) as url:
        yield url


@pytest.mark.parametrize("secure", [True, False])
def test_a_wrong_token_is_said_and_the_right_one_leads_on(
    open_page: OpenPage, closed_server: str, secure: bool
) -> None:
    """Browsers say which site a request comes from on this machine and over TLS; elsewhere only its Origin tells."""
    page = open_page(expected="403")

    def without_site(route: Route) -> None:
        headers = {name: value for name, value in route.request.all_headers().items() if name != "sec-fetch-site"}
        route.continue_(headers=headers)

    if not secure:
        page.route("**/sign-in*", without_site)
    page.goto(f"{closed_server}/runs?q=bread")
    field = page.get_by_label("The server's token")
    field.fill("another-token-entirely")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This is not the server's token.")
    field.fill(TOKEN)
    field.press("Enter")
    expect(page).to_have_url(f"{closed_server}/runs?q=bread")
    expect(page.locator("#runs-search")).to_have_value("bread")
    expect(page.locator(".ag-row .hs-status").first).to_be_visible()
