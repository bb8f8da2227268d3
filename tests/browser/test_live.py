"""The Live page with a real model behind it."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from playwright.sync_api import Error, Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.browser.live_page import CHIPS, DRAWN, TEXT, open_live, painted


def test_attention_and_everything_else_follow_as_one_types(open_page: OpenPage, app_server: str) -> None:
    page = open_page("dark")
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


def heads_are_switched_without_asking_the_server(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("h1").click()
    page.keyboard.press("]")
    page.keyboard.press(".")
    expect(page).to_have_url(re.compile(r"layer=1&head=1"))
    assert [url for url in asked if "/api/" in url] == []


def a_token_becomes_the_target_and_the_next_token_comes_back(page: Page) -> None:
    chip = page.locator(CHIPS).nth(3)
    chip.click()
    expect(page).to_have_url(re.compile("position=3"))
    expect(page.locator("#live-candidates .hs-live-statement")).to_contain_text("given the 3 tokens before it")
    expect(page.locator(CHIPS).nth(3)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(DRAWN)).to_be_visible()
    scores = page.evaluate("headscope.live.page.result.explained.scores.slice(0, 6).map(Number.isNaN)")
    assert scores == [True, False, False, True, True, True]  # nothing at or after the token can bear on it
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
    assert page.evaluate("headscope.live.page.result.explained.quantity") == "logprob_difference"
    page.locator("#live-text").press_sequentially("!")
    expect(page.locator(DRAWN)).to_be_visible()
    assert page.locator("#live-target").input_value() == target


def test_errors_stand_under_the_text_and_the_last_picture_stays(open_page: OpenPage, app_server: str) -> None:
    page = open_page(expected="Failed to load resource")  # the browser logs every refused request
    open_live(page, app_server)
    expect(page.locator(".hs-page-subtitle")).to_contain_text("up to 256 tokens")
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


def the_foil_button_sets_a_candidate_against_the_target(page: Page) -> None:
    row = page.locator("#live-candidates li").filter(has=page.locator(".pick:enabled")).nth(2)
    text = row.locator(".token").inner_text()
    row.locator(".as-foil").click()
    expect(page.locator("#live-candidates li.foil .token")).to_have_text(text)
    expect(page.locator("#live-candidates .hs-live-statement")).to_contain_text("rather than")
    expect(page.locator(DRAWN)).to_be_visible()
    page.locator("#live-candidates li.foil .as-foil").click()
    expect(page.locator("#live-candidates li.foil")).to_have_count(0)
    assert page.locator("#live-foil").input_value() == ""


def test_the_text_is_written_on_and_taken_over(page: Page, app_server: str) -> None:
    open_live(page, app_server)
    page.locator("#live-write").click()
    done = page.locator("#live-continuation[data-state=done]")
    expect(done.locator(".written").first).to_be_attached()
    likely = done.inner_text()
    top = page.locator("#live-candidates .token").first.inner_text()
    assert f"“{done.locator('.written').first.text_content()}”".replace(" ", "␣") == top
    page.locator("#live-write").click()
    expect(done).to_have_text(likely)
    page.locator("#live-temperature").fill("1.5")
    expect(done).to_have_count(0)
    expect(page).to_have_url(re.compile("temperature=1.5"))
    with page.expect_response("**/api/v1/live/continuation") as answered:
        page.locator("#live-write").click()
    expect(done).to_be_visible()
    expect(page.locator("#live-write")).to_have_text("Draw again")
    written = answered.value.json()["text"]
    done.get_by_role("button", name="Take over").click()
    expect(page.locator("#live-text")).to_have_value(TEXT + written)
    expect(done).to_have_count(0)
    expect(page.locator(DRAWN)).to_be_visible()


def test_heads_foils_and_tokens_are_chosen(page: Page, app_server: str) -> None:
    open_live(page, app_server)
    heads_are_switched_without_asking_the_server(page)
    the_foil_button_sets_a_candidate_against_the_target(page)
    a_token_becomes_the_target_and_the_next_token_comes_back(page)
