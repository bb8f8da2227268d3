"""What on a page is wider than the window."""

from __future__ import annotations

from playwright.sync_api import Page

BEYOND = """(within) => {
  const root = document.documentElement, room = root.clientWidth, top = document.querySelector(within);
  const clipped = (node) => {
    for (let up = node.parentElement; up && up !== top; up = up.parentElement)
      if (getComputedStyle(up).overflowX !== "visible") return true;
    return false;
  };
  const told = (node) => `${node.tagName} ${node.id} ${node.className} ${node.getBoundingClientRect().right}`;
  return [...top.querySelectorAll("*")]
    .filter((node) => node.checkVisibility({ visibilityProperty: true }))  // not the panel of a closed choice
    .filter((node) => node.getBoundingClientRect().right > room + 1 && !clipped(node)).map(told)
    .concat(root.scrollWidth > room ? ["the page scrolls sideways"] : []);
}"""


def too_wide(page: Page, within: str = "body") -> list[str]:
    """What of `within` reaches beyond the window and scrolls in no box of its own, and whether the page scrolls
    sideways; when every picture had its time to follow the window."""
    for _ in range(100):
        found: list[str] = page.evaluate(BEYOND, within)
        if not found:
            break
        page.wait_for_timeout(100)
    return found
