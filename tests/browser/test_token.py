"""A server with a token, as somebody meets it who follows a link to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.storage.repository import Store
from tests.browser.conftest import ELSEWHERE, OpenPage, serving

TOKEN = "a-token-of-the-team"


@pytest.fixture(scope="module")  # it must outlive the page: what a page asks of a server that left is an error there
def closed_server(seeded_store: Store) -> Iterator[str]:
    with serving(Services(seeded_store, settings=Settings(token=TOKEN, allowed_hosts=(ELSEWHERE,)))) as url:
        yield url


@pytest.mark.parametrize("secure", [True, False])
def test_a_wrong_token_is_said_and_the_right_one_leads_on(
    open_page: OpenPage, closed_server: str, secure: bool
) -> None:
    """Browsers say which site a request comes from on this machine and over TLS; elsewhere only its Origin tells."""
    page = open_page(expected="403|Cross-Origin-Opener-Policy header has been ignored")
    address = closed_server if secure else closed_server.replace("127.0.0.1", ELSEWHERE)
    page.goto(f"{address}/runs?q=bread")
    field = page.get_by_label("The server's token")
    field.fill("another-token-entirely")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This is not the server's token.")
    field.fill(TOKEN)
    field.press("Enter")
    expect(page).to_have_url(f"{address}/runs?q=bread")
    expect(page.locator("#runs-search")).to_have_value("bread")
    expect(page.locator(".ag-row .hs-status").first).to_be_visible()
