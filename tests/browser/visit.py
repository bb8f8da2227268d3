"""From page to page in one document, as by a link: a third of the work of a load, where not the load is tested."""

from __future__ import annotations

from playwright.sync_api import Page

PUSH = """(href) => new Promise((arrived) => {
  new MutationObserver((_, watch) => { watch.disconnect(); arrived(); })
    .observe(document.getElementById("shell-page"), { childList: true });
  headscope.url.push(href);
})"""


def visit(page: Page, path: str) -> None:
    """Go to another page of the app that is open, not to the same one with another query; done when it is there."""
    page.evaluate(PUSH, path)
