"""No page is wider than the window, on a telephone or on a desk."""

from __future__ import annotations

from playwright.sync_api import expect

from headscope.storage.repository import Store
from tests.browser.conftest import THEMES, OpenPage
from tests.browser.test_compare import run_ids
from tests.browser.visit import visit
from tests.browser.window import too_wide

PAGES = {
    "/": ".hs-status",
    "/runs": ".ag-row .hs-status",
    "/run?id={a}": "#run-attention-slot[data-drawn]",
    "/compare?a={a}&b={b}": "#compare-heads canvas",
    "/live?text=The+cat": "#live-root.full",
    "/compare?a={a}&b={b}&all=1&more={c}": "#compare-across canvas",
    "/failures": ".hs-table tbody tr",
    "/methods": ".hs-card-body > *, .hs-empty, .hs-scope-choose",
    "/heads": ".hs-card-body > *, .hs-empty, .hs-scope-choose",
    "/charts": "#charts-card tbody tr",
    "/models": "#models-flips tbody tr",
    "/confidence": ".hs-card-body > *, .hs-empty, .hs-scope-choose",
    "/bias": ".hs-card-body > *, .hs-empty, .hs-scope-choose",
    "/toxicity": ".hs-card-body > *, .hs-empty, .hs-scope-choose",
    "/scorer": "#scorer-functional tbody tr",
    "/regression?baseline=first@tiny-gpt2&candidate=first@tiny-llama": "#regression-measures tbody tr",
    "/blackbox": ".hs-card-body > *, .hs-box, .hs-scope-choose",
    "/patching": "h1",
}
"""Path of a page, and what stands there when it is drawn."""
UNCUED = """() => [...document.querySelectorAll("#shell-main *, nav *")].filter((node) => {
  const { overflowX, backgroundAttachment } = getComputedStyle(node);
  return ["auto", "scroll"].includes(overflowX) && node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0
    && !node.matches("textarea, .ag-root *, pre, code") && !backgroundAttachment.includes("local");
}).map((node) => `${node.tagName} ${node.id} ${node.className} ${node.scrollWidth} in ${node.clientWidth}`)"""
"""What scrolls sideways without a shadow at the edge beyond which there is more (components.css)."""
TOP = """() => {
  const box = document.querySelector(".hs-attr"), cell = box?.querySelector("td.top")?.getBoundingClientRect();
  const sight = box?.getBoundingClientRect();
  return !cell || (cell.left >= sight.left && cell.right <= sight.right + 1);
}"""
"""Whether the largest attribution of the first row is in sight."""
WIDTHS = [360, 390, 900, 1440, 360]
"""Each page comes at the first, then is made as wide as the others: as a telephone is turned or a window pulled."""


def test_no_page_is_wider_than_the_window_nor_stumbles_over_the_other_theme(
    open_page: OpenPage, app_server: str, seeded_store: Store
) -> None:
    """From page to page in one document; all that is wrong is said at once. Each page is drawn in one theme and then
    again in the other, where a script error fails the test."""
    page, wrong = open_page(width=WIDTHS[0]), []
    a, b = run_ids(seeded_store, experiment="first", model="tiny-gpt2", status="succeeded")[:2]
    c = run_ids(seeded_store, experiment="first", model="tiny-llama", status="succeeded")[0]
    page.goto(f"{app_server}/failures")
    expect(page.locator("#shell-page h1")).to_be_visible()
    for index, path in enumerate(PAGES):
        visit(page, path.format(a=a, b=b, c=c))
        expect(page.locator(PAGES[path]).first).to_be_attached()
        expect(page.locator(".hs-loading")).to_have_count(0)
        if not page.evaluate(TOP):
            wrong.append(f"{path}: the largest attribution is out of sight")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            wrong += [f"{path} at {width} px: {part}" for part in too_wide(page) + page.evaluate(UNCUED)]
        other = THEMES[(index + 1) % 2]
        page.emulate_media(color_scheme=other)
        expect(page.locator("html")).to_have_attribute("data-bs-theme", other)
    assert wrong == []
