"""No page is wider than the window, on a telephone or on a desk."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from headscope.storage.repository import Store
from tests.browser.conftest import OpenPage
from tests.browser.test_compare import run_ids

PAGES = {
    "/": ".hs-status",
    "/runs": ".ag-row .hs-status",
    "/run?id={a}": "#run-attention-slot[data-drawn]",
    "/compare?a={a}&b={b}": "#compare-heads canvas",
    "/compare?a={a}&b={b}&all=1&more={c}": "#compare-across canvas",
    "/live?text=The+cat": "#live-root.full",
    "/failures": ".hs-table tbody tr",
    "/methods": ".hs-card-body > *, .hs-empty, .hs-scope-choose",
    "/confidence": ".hs-card-body > *, .hs-empty, .hs-scope-choose",
    "/bias": ".hs-card-body > *, .hs-empty, .hs-scope-choose",
    "/toxicity": ".hs-card-body > *, .hs-empty, .hs-scope-choose",
    "/blackbox": ".hs-card-body > *, .hs-box, .hs-scope-choose",
    "/patching": "h1",
}
"""Path of a page, and what stands there when it is drawn."""
WIDE = """() => {
  const root = document.documentElement, room = root.clientWidth;
  if (root.scrollWidth <= room) return [];
  const clipped = (node) => {
    for (let up = node.parentElement; up && up !== document.body; up = up.parentElement)
      if (getComputedStyle(up).overflowX !== "visible") return true;
    return false;
  };
  const told = (node) => `${node.tagName} ${node.id} ${node.className} ${node.getBoundingClientRect().right}`;
  return [...document.querySelectorAll("body *")]
    .filter((node) => node.getBoundingClientRect().right > room + 1 && !clipped(node)).map(told);
}"""
"""What reaches beyond the window and scrolls in no box of its own; none when the page does not scroll sideways."""


WIDTHS = [360, 390, 900, 1440, 360]
"""Each page is loaded at the first, then made as wide as the others: as a telephone is turned or a window pulled."""


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_the_window(open_page: OpenPage, app_server: str, seeded_store: Store, path: str) -> None:
    page = open_page(width=WIDTHS[0])
    a, b = run_ids(seeded_store, experiment="first", model="tiny-gpt2", status="succeeded")[:2]
    c = run_ids(seeded_store, experiment="first", model="tiny-llama", status="succeeded")[0]
    page.goto(app_server + path.format(a=a, b=b, c=c))
    expect(page.locator(PAGES[path]).first).to_be_attached()
    expect(page.locator(".hs-loading")).to_have_count(0)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert settled(page) == [], f"at {width} px"


def settled(page: Page) -> list[str]:
    """What is too wide still when every picture had its time to follow the window."""
    for _ in range(100):
        if not (wide := page.evaluate(WIDE)):
            break
        page.wait_for_timeout(100)
    found: list[str] = wide
    return found
