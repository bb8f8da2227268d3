"""The Live page, opened with a text."""

from __future__ import annotations

from urllib.parse import quote

from playwright.sync_api import Page, expect

TEXT = "The baker said that the bread was ready"
DRAWN = "#live-root[data-explained]:not(.stale)"  # attributions too
CHIPS = "#live-tokens [data-index]"


def open_live(page: Page, server: str, text: str = TEXT, more: str = "") -> None:
    page.goto(f"{server}/live?model=tiny-gpt2&text={quote(text)}{more}")
    expect(page.locator(DRAWN)).to_be_visible()


def painted(page: Page) -> int:
    """Distinct colours in the large head's canvas."""
    return int(
        page.evaluate("""() => {
          const canvas = document.querySelector("#live-attention .hs-attn-stage canvas");
          const image = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(image.data.buffer)).size; }""")
    )
