"""The attention of the Run page as a user meets it: keys, hover, the order of heads, links."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from headscope.storage.repository import Store
from headscope.storage.rows import RunDetail
from tests.browser.conftest import OpenPage
from tests.browser.run_page import at, open_run

OVER = "#run-attention-slot .hs-attn-over"


def in_link(page: Page) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


def keys_move_through_layers_and_heads_and_the_link_follows(page: Page) -> None:
    at(page, 1, 3)
    calls: list[str] = []
    page.on("request", lambda request: calls.append(request.url) if "_dash-update" in request.url else None)
    page.keyboard.press("]")
    at(page, 2, 3)
    page.keyboard.press("]")
    at(page, 0, 3)  # round to the first layer
    page.keyboard.press(".")
    at(page, 0, 0)
    page.keyboard.press(",")
    at(page, 0, 3)
    page.keyboard.press("[")
    at(page, 2, 3)
    expect(page).to_have_url(re.compile("layer=2&head=3"))
    assert calls == []


def a_head_is_drawn_before_the_key_is_done_with(page: Page) -> None:
    for key in ("]", "."):  # from the last layer and head to the first
        page.keyboard.press(key)
    at(page, 0, 0)
    drawn = page.evaluate(
        """() => {
          const box = document.querySelector('#run-attention-slot'), drawn = [];
          for (let i = 0; i < 12; i++) {
            document.dispatchEvent(new KeyboardEvent('keydown', {key: '.', bubbles: true}));
            drawn.push(box.dataset.drawn);
          }
          return drawn;
        }"""
    )
    assert drawn == [f"0.{(i + 1) % 4}" for i in range(12)]


def test_hover_shows_the_stored_weight_of_the_cell_under_the_pointer(
    open_page: OpenPage, app_server: str, whole: RunDetail, seeded_store: Store
) -> None:
    page = open_page("dark")
    open_run(page, app_server, whole.row.id, "&layer=2&head=1")
    at(page, 2, 1)
    weights = seeded_store.attention(whole.row.id)
    assert weights is not None
    size = page.locator(OVER).bounding_box()
    assert size is not None
    n_tokens, labels = weights.shape[-1], 104
    step = (size["width"] - labels - 2) / n_tokens
    query, key = n_tokens - 1, 1
    page.locator(OVER).hover(position={"x": labels + (key + 0.5) * step, "y": labels + (query + 0.5) * step})
    exact = page.locator("#run-attention-slot .hs-exact[data-exact=true]")
    expect(exact).to_be_visible()
    assert float(exact.inner_text().replace("−", "-")) == pytest.approx(float(weights[2, 1, query, key]), rel=1e-3)
    expect(page.locator("#run-attention-slot .hs-attn-readout")).to_contain_text(f"Query {query}")


def test_cells_can_be_read_by_keyboard_and_pinned(page: Page, app_server: str, whole: RunDetail) -> None:
    open_run(page, app_server, whole.row.id, "&layer=0&head=0&query=2")
    at(page, 0, 0)
    page.locator(OVER).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#run-attention-slot .hs-attn-readout")).to_contain_text("reads key 1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("query=3"))
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("query="))


def test_a_link_restores_the_whole_view(open_page: OpenPage, app_server: str, whole: RunDetail) -> None:
    page = open_page("dark")
    query = "&layer=1&head=2&view=links&query=3&stat=first_token&order=asc&top=5&sink=0&color=saliency&grain=word"
    open_run(page, app_server, whole.row.id, f"{query}&pos=2&lens=entropy&shares=shared&numbers=0")
    at(page, 1, 2)
    slot = page.locator("#run-attention-slot")
    expect(slot.locator(".hs-links-token.pinned")).to_have_attribute("data-index", "3")
    expect(slot.locator("th[data-stat=first_token]")).to_have_attribute("aria-sort", "ascending")
    expect(slot.get_by_label("Links per query")).to_have_value("5")
    expect(slot.get_by_label("First token")).not_to_be_checked()
    controls = page.locator("#run-tokens-controls")
    expect(controls.locator("[data-value=saliency]")).to_have_attribute("aria-pressed", "true")
    expect(controls.locator("[data-value=word]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#run-lens-controls [data-value=entropy]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".hs-run-where")).to_contain_text("At token 2")
    page.keyboard.press(".")
    at(page, 1, 3)
    expect(page).to_have_url(re.compile("head=3"))
    kept = in_link(page)
    wanted = {"view": "links", "query": "3", "sink": "0", "color": "saliency", "pos": "2"}
    assert {key: kept[key] for key in wanted} == wanted


def test_a_link_that_asks_for_too_much_says_so(page: Page, app_server: str, whole: RunDetail) -> None:
    open_run(page, app_server, whole.row.id, "&layer=77&view=cube")
    note = page.locator(".hs-notes")
    expect(note).to_contain_text("layer 77")
    expect(note).to_contain_text("cube")
    expect(page.locator("#run-attention-slot[data-drawn^='1.']")).to_be_visible()


def sorting_heads_ranks_them_and_a_click_opens_the_head(page: Page, whole: RunDetail) -> None:
    assert whole.heads is not None
    table = page.locator("#run-attention-slot .hs-head-list")
    table.get_by_role("button", name="Previous", exact=True).click()
    order = np.argsort(-whole.heads.previous_token, axis=None, kind="stable")
    layer, head = np.unravel_index(order[0], whole.heads.previous_token.shape)
    top = table.locator("tbody tr").first
    expect(top.locator("th")).to_have_text(f"L{layer} H{head}")
    expect(page).to_have_url(re.compile("stat=previous_token"))
    top.locator("button").click()
    at(page, int(layer), int(head))


def test_a_click_on_a_cell_ranks_all_heads_by_it(
    page: Page, app_server: str, seeded_store: Store, whole: RunDetail
) -> None:
    stored = seeded_store.attention(whole.row.id)
    assert stored is not None
    open_run(page, app_server, whole.row.id, "&layer=0&head=0")
    at(page, 0, 0)
    page.locator(OVER).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("query=.*key="))
    link = in_link(page)
    weights = stored[:, :, int(link["query"]), int(link["key"])]
    layer, head = np.unravel_index(int(np.argmax(weights)), weights.shape)
    table = page.locator("#run-attention-slot .hs-head-list")
    column = table.locator("th[data-stat=cell]")
    expect(column).to_have_text(f"{link['query']}→{link['key']}")
    expect(column).to_have_attribute("aria-sort", "descending")
    expect(table.locator("tbody tr").first.locator("th")).to_have_text(f"L{layer} H{head}")
    expect(table.locator("tbody tr").first.locator("td").first).to_have_text(f"{float(weights.max()):.3f}")
    page.reload()
    expect(column).to_have_attribute("aria-sort", "descending")
    page.locator(OVER).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")  # the same cell lets go
    expect(column).to_have_count(0)
    expect(page).not_to_have_url(re.compile("key="))


HALF_HIDDEN = """(box) => {
  const [names, ...cells] = box.querySelectorAll("thead th"), edge = names.getBoundingClientRect().right;
  const half = ({ left, right }) => left < edge - 1 && right > edge + 1;
  return cells.filter((cell) => half(cell.getBoundingClientRect())).map((cell) => cell.textContent);
}"""


def right_of(box: Locator) -> float:
    """Where an element ends, in pixels from the left of the window."""
    return float(box.evaluate("box => box.getBoundingClientRect().right"))


def another_order_of_heads_begins_at_its_top_and_shows_whole_columns(page: Page) -> None:
    table = page.locator("#run-attention-slot .hs-head-list")
    table.evaluate("box => { box.style.maxHeight = '80px'; box.scrollTop = 60; }")
    table.get_by_role("button", name="First", exact=True).click()
    expect(table.locator("th[data-stat=first_token]")).to_have_attribute("aria-sort", "descending")
    assert table.evaluate("box => box.scrollTop") == 0
    for width in (310, 330, 350):  # no column is half under the heads' names, nor the sorted one cut off
        table.evaluate("(box, width) => { box.style.maxWidth = `${width}px`; }", width)
        table.get_by_role("button", name="Induction lift").click()
        last = table.locator("thead th").last
        assert last.evaluate("cell => cell.getBoundingClientRect().right") <= right_of(table) + 1
        assert table.evaluate(HALF_HIDDEN) == []
        assert table.evaluate("box => box.scrollLeft") > 0


def test_keys_move_through_heads_and_orders_of_heads_rank_them(page: Page, app_server: str, whole: RunDetail) -> None:
    open_run(page, app_server, whole.row.id, "&layer=1&head=3")
    keys_move_through_layers_and_heads_and_the_link_follows(page)
    a_head_is_drawn_before_the_key_is_done_with(page)
    sorting_heads_ranks_them_and_a_click_opens_the_head(page, whole)
    another_order_of_heads_begins_at_its_top_and_shows_whole_columns(page)
