"""The Live page with a real model behind it."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from urllib.parse import quote

from playwright.sync_api import Browser, Error, Page, Route, expect

from storage.repository import Store
from storage.rows import Condition, RunFilter
from tests.browser.conftest import OpenPage

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


def test_attention_and_everything_else_follow_as_one_types(themed_page: Page, app_server: str) -> None:
    page = themed_page
    page.goto(f"{app_server}/live")
    expect(page.locator("#live-message")).to_contain_text("Type a few words")
    page.select_option("#live-model", "tiny-gpt2")
    page.locator("#live-text").press_sequentially("The river runs", delay=30)
    expect(page.locator(DRAWN)).to_be_visible()
    expect(page.locator("#live-tokens")).to_contain_text("river")
    expect(page.locator("#live-candidates li")).to_have_count(10)
    expect(page.locator("#live-strips svg rect.plain").first).to_be_attached()
    expect(page.locator("#live-attention [data-drawn], #live-attention[data-drawn]").first).to_be_visible()
    assert painted(page) > 4
    before = page.locator(CHIPS).count()
    page.locator("#live-text").press_sequentially(" to the sea")
    expect(page.locator("#live-tokens")).to_contain_text("sea")
    expect(page.locator(DRAWN)).to_be_visible()
    assert page.locator(CHIPS).count() > before
    expect(page.locator("#live-timing")).to_contain_text(re.compile(r"model \d+ ms.*draw \d+ ms"))


def test_heads_are_switched_without_asking_the_server(page: Page, app_server: str) -> None:
    open_live(page, app_server)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("h1").click()
    page.keyboard.press("]")
    page.keyboard.press(".")
    expect(page).to_have_url(re.compile(r"layer=1&head=1"))
    assert [url for url in asked if "/api/" in url] == []


def test_a_token_becomes_the_target_and_the_next_token_comes_back(page: Page, app_server: str) -> None:
    open_live(page, app_server)
    chip = page.locator(CHIPS).nth(3)
    chip.click()
    expect(page).to_have_url(re.compile("position=3"))
    expect(page.locator("#live-candidates .hs-live-statement")).to_contain_text("given the 3 tokens before it")
    expect(page.locator(CHIPS).nth(3)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(DRAWN)).to_be_visible()
    scores = page.evaluate("Array.from(headscope.live.page.result.arrays.scores.slice(0, 6), (v) => Number.isNaN(v))")
    assert scores == [False, False, False, True, True, True]  # nothing at or after the token can bear on it
    page.locator("#live-tokens .next").click()
    expect(page.locator("#live-candidates .hs-live-statement")).to_contain_text("after the whole text")
    page.locator(CHIPS).first.click()
    expect(page.locator("#live-message")).to_contain_text("nothing before it")


def test_candidates_become_target_and_foil(page: Page, app_server: str) -> None:
    open_live(page, app_server)
    rows = page.locator("#live-candidates li").filter(has=page.locator(".pick:enabled"))
    rows.nth(1).locator(".pick").click()
    expect(rows.nth(1)).to_have_class("target")
    target = page.locator("#live-target").input_value()
    rows.nth(2).locator(".pick").click(modifiers=["Shift"])
    expect(rows.nth(2)).to_have_class("foil")
    foil = page.locator("#live-foil").input_value()
    expect(page.locator("#live-candidates .hs-live-statement")).to_contain_text("rather than")
    assert target
    assert foil
    expect(page.locator(DRAWN)).to_be_visible()
    assert page.evaluate("headscope.live.page.result.facts.methods[0].quantity") == "logprob_difference"
    page.locator("#live-text").press_sequentially("!")
    expect(page.locator(DRAWN)).to_be_visible()
    assert page.locator("#live-target").input_value() == target


def test_the_whole_view_is_in_the_link(page: Page, open_page: OpenPage, app_server: str) -> None:
    open_live(page, app_server, more="&position=4&colour=saliency&unit=nats&layer=2&head=3&view=links")
    page.locator("#live-colours [data-value=input_x_gradient]").click()
    expect(page).to_have_url(re.compile("colour=input_x_gradient"))
    again = open_page()
    again.goto(page.url)
    expect(again.locator(DRAWN)).to_be_visible()
    assert again.locator("#live-text").input_value() == TEXT
    expect(again.locator(CHIPS).nth(4)).to_have_attribute("aria-pressed", "true")
    expect(again.locator("#live-colours [data-value=input_x_gradient]")).to_have_attribute("aria-pressed", "true")
    state = again.evaluate("headscope.live.page.attention.state()")
    assert (state["layer"], state["head"], state["view"]) == (2, 3, "links")


def test_a_long_text_stays_out_of_the_link_and_the_page_says_so(page: Page, app_server: str) -> None:
    open_live(page, app_server)
    page.evaluate("headscope.live.page.limits.link = 10")
    page.locator("#live-text").press_sequentially("?")
    expect(page).not_to_have_url(re.compile("text="))
    expect(page.locator("#live-link")).to_have_attribute("title", re.compile("everything but the text"))


def test_bad_values_in_the_link_are_named(page: Page, app_server: str) -> None:
    open_live(page, app_server, more="&layer=-3&colour=rainbow")
    expect(page.locator(".hs-notes")).to_contain_text("“layer” in the link")
    expect(page.locator(".hs-notes")).to_contain_text("rainbow")


def test_errors_stand_under_the_text_and_the_last_picture_stays(browser: Browser, app_server: str) -> None:
    page = browser.new_page()  # the browser logs every refused request, so this page is not a guarded one
    try:
        open_live(page, app_server)
        page.locator("#live-text").fill("word " * 100)
        expect(page.locator("#live-message.error")).to_contain_text("64")
        expect(page.locator("#live-root.stale")).to_be_visible()
        assert page.locator(CHIPS).count() > 0
        page.locator("#live-text").fill("")
        expect(page.locator("#live-message.hint")).to_be_visible()
        page.goto(f"{app_server}/live?model=no-such-model&text=Hello")
        expect(page.locator("#live-message.error")).to_contain_text("no-such-model")
        expect(page.locator("#live-message.error")).to_contain_text("tiny-gpt2")
        page.select_option("#live-model", "tiny-gpt2")
        expect(page.locator(DRAWN)).to_be_visible()
        expect(page.locator("#live-message")).to_be_empty()
    finally:
        page.close()


def test_a_server_without_an_engine_says_so(page: Page, empty_server: str) -> None:
    page.goto(f"{empty_server}/live?text=Hello")
    expect(page.locator("#live-message.error")).to_contain_text("computes nothing")


def test_what_is_typed_is_stored_only_when_saved(page: Page, app_server: str, seeded_store: Store) -> None:
    text = "A captain walked to the river"
    where = RunFilter((Condition("text", "eq", text),))
    open_live(page, app_server, text)
    assert seeded_store.runs_page(where).total == 0
    page.locator("#live-save").click()
    expect(page.locator("#live-save-what")).to_contain_text("captain")
    page.locator("#live-experiment").fill("typed")
    page.locator("#live-save-go").click()
    link = page.locator("#live-save-state a")
    expect(link).to_be_visible()
    row = seeded_store.runs_page(where).rows[0]
    assert (row.experiment, row.model, row.prompt_set) == ("typed", "tiny-gpt2", "live")
    assert link.get_attribute("href") == f"/run?id={row.id}"


def test_saving_an_explained_token_cuts_the_text_before_it(page: Page, app_server: str, seeded_store: Store) -> None:
    open_live(page, app_server, "Anna gave the letter to Peter", "&position=2")
    page.locator("#live-save").click()
    page.locator("#live-experiment").fill("typed")
    page.locator("#live-save-go").click()
    expect(page.locator("#live-save-state a")).to_be_visible()
    tokens = page.evaluate("headscope.live.page.result.facts.tokens")
    saved = seeded_store.runs_page(RunFilter((Condition("text", "eq", "".join(tokens[:2])),))).rows
    assert [row.target for row in saved] == [tokens[2]]


def test_the_newest_text_wins_when_answers_come_late(page: Page, app_server: str) -> None:
    open_live(page, app_server)
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if not held and json.loads(route.request.post_data or "")["text"].endswith("one"):
            held.append(route)
        else:
            route.continue_()

    page.route("**/api/v1/live", hold_the_first)
    with page.expect_request(lambda request: "number one" in (request.post_data or "")):
        page.locator("#live-text").fill("number one")
    page.locator("#live-text").fill("number two")
    expect(page.locator("#live-tokens")).to_contain_text("two")
    expect(page.locator(DRAWN)).to_be_visible()
    with suppress(Error):  # the page has given it up
        held[0].continue_()
    expect(page.locator("#live-root[data-explained]")).to_be_visible()  # whole requests later
    assert "".join(page.evaluate("headscope.live.page.result.facts.tokens")) == "number two"


def test_what_was_probably_meant_is_one_click_away(page: Page, app_server: str) -> None:
    open_live(page, app_server, "The cat ", "&target=sat")
    message = page.locator("#live-message.caution")
    expect(message).to_contain_text("ends in a space")
    message.get_by_role("button", name="Write “The cat”").click()
    expect(page.locator("#live-text")).to_have_value("The cat")
    message.get_by_role("button", name="Write “ sat”").click()
    expect(page.locator("#live-target")).to_have_value(" sat")
    expect(page.locator("#live-message")).to_be_empty()
