"""The Live page with a real model behind it."""

from __future__ import annotations

import json
import re
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Error, Page, Route, expect

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.registry import BLACK_BOX, parse_analyses
from headscope.analysis.types import ModelRef
from headscope.dashboard.job_queue import JobQueue, ServerEngine
from headscope.dashboard.pages.run.cards import cards
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.jobs.job import run_job
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter
from tests.browser import seed
from tests.browser.conftest import PATIENCE_MS, OpenPage, serving
from tests.browser.live_page import CHIPS, DRAWN, TEXT, open_live, painted
from tests.browser.window import too_wide
from tests.factories import make_info, make_prompt, make_result, make_set
from tests.tiny_models import build_tiny_gpt2


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


def test_the_whole_view_is_in_the_link(page: Page, open_page: OpenPage, app_server: str) -> None:
    open_live(page, app_server, more="&position=4&unit=nats&layer=2&head=3&view=links&leave=word&temperature=0.5")
    page.locator("#live-colours [data-value=occlusion]").click()
    page.locator("#live-removal [data-value=delete]").click()
    expect(page).to_have_url(re.compile("colour=occlusion.*leave=word.*instead=delete.*temperature=0.5"))
    again = open_page()
    again.goto(page.url)
    expect(again.locator(DRAWN)).to_be_visible()
    assert again.locator("#live-text").input_value() == TEXT
    expect(again.locator(CHIPS).nth(4)).to_have_attribute("aria-pressed", "true")
    for pressed in ("#live-colours [data-value=occlusion]", "#live-removal [data-value=delete]", "[data-value=word]"):
        expect(again.locator(pressed)).to_have_attribute("aria-pressed", "true")
    assert again.locator("#live-temperature").input_value() == "0.5"
    assert again.evaluate("headscope.live.page.result.explained.masking") == "delete"
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
    expect(page.locator("#live-dialog")).to_contain_text("the leave-one-out is that of single tokens")
    page.locator("#live-experiment").fill("typed")
    page.locator("#live-save-go").click()
    link = page.locator("#live-save-state a")
    expect(link).to_be_visible()
    row = seeded_store.runs_page(where).rows[0]
    assert (row.experiment, row.model, row.prompt_set) == ("typed", "tiny-gpt2", "live")
    assert link.get_attribute("href") == f"/run?id={row.id}"
    saved = seeded_store.run(row.id)
    assert "occlusion" in {one.method for one in saved.attributions}
    assert "leave-one-out is not kept" not in str(cards(saved))
    before = replace(saved, attributions=tuple(one for one in saved.attributions if one.method != "occlusion"))
    assert "leave-one-out is not kept" in str(cards(before))  # of runs saved when the default set was without


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


def test_the_foil_button_sets_a_candidate_against_the_target(page: Page, app_server: str) -> None:
    open_live(page, app_server)
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


def test_models_of_the_store_are_listed_with_the_reason(page: Page, seeded_store: Store, tmp_path: Path) -> None:
    engine = InlineEngine()
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        folder = build_tiny_gpt2(tmp_path / "elsewhere")
        prompts = seed.prompt_set("one", ("A cat",))
        run_job(engine, store, JobRequest("e", str(folder), prompts, parse_analyses("heads")))
        behind = replace(make_info("behind"), ref=ModelRef("behind", None, BLACK_BOX, "unknown", "0" * 64))
        asked = store.start_job(experiment="e", model="behind", spec={}, total=1)
        store.save(asked, behind, make_set(make_prompt()), [], 0, [make_result(make_prompt())])
        jobs = JobQueue(engine, store)
        with serving(Services(store, ServerEngine(engine, jobs), Settings(live_model="tiny-llama"))) as url:
            page.goto(f"{url}/live")
            expect(page.locator("#live-model")).to_have_value("tiny-llama")
            expect(page.locator("#live-model optgroup[label*=API] option")).to_have_text("behind (stored runs only)")
            expect(page.locator("#live-stored")).to_contain_text("1 model of the store")
            option = page.locator(f"#live-model optgroup[label*=store] option[value='{folder}']")
            expect(option).to_contain_text("stored runs only")
            expect(page.locator("#live-stored")).to_contain_text("HEADSCOPE_MODEL_DIR")
            page.close()  # before its server leaves: what it asks then is an error
        jobs.close()


def test_the_page_says_which_model_is_being_loaded(page: Page, seeded_store: Store, tmp_path: Path) -> None:
    go, engine = threading.Event(), InlineEngine()
    explain = engine.explain
    engine.explain = lambda request: explain(request) if go.wait(PATIENCE_MS / 1000) else None  # type: ignore
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        jobs = JobQueue(engine, store)
        served = ServerEngine(engine, jobs)
        served.warm("tiny-gpt2")
        with serving(Services(store, served, Settings(live_model="tiny-gpt2"))) as url:
            page.goto(f"{url}/live?text={quote(TEXT)}")
            expect(page.locator("#live-loading")).to_contain_text("Loading tiny-gpt2")
            assert page.locator(DRAWN).count() == 0
            go.set()
            expect(page.locator("#live-loading")).to_be_hidden()
            expect(page.locator(DRAWN)).to_be_visible()
            page.close()
        jobs.close()


@pytest.mark.parametrize("text", ["", TEXT, "longword" * 6])
def test_the_page_fits_its_window(open_page: OpenPage, app_server: str, text: str) -> None:
    page = open_page(width=390)
    page.goto(f"{app_server}/live?model=tiny-gpt2&text={quote(text)}")
    expect(page.locator(DRAWN if text else "#live-message.hint")).to_be_visible()
    assert too_wide(page, "#live-root") == []
    page.set_viewport_size({"width": 900, "height": 900})
    assert too_wide(page, "#live-root") == []


def test_the_tab_carries_the_text(page: Page, app_server: str, seeded_store: Store) -> None:
    page.goto(f"{app_server}/live")
    expect(page).to_have_title("Live · Headscope")
    page.select_option("#live-model", "tiny-gpt2")
    page.locator("#live-text").fill("The river\nruns to the sea and the sea is far away from the old town")
    expect(page).to_have_url(re.compile("text=The"))
    expect(page).to_have_title("The river runs to the sea and the sea is far away from the … · Live · Headscope")
    page.locator(".hs-nav-link", has_text="Runs").click()
    expect(page).to_have_title("Runs · Headscope")
    run = seeded_store.runs_page(RunFilter((Condition("text", "eq", "naïve café 🧭"),))).rows[0]
    page.goto(f"{app_server}/run?id={run.id}")
    expect(page).to_have_title(re.compile(r"^na.*· Run · Headscope$"))
    page.locator(".hs-nav-link", has_text="Live").click()
    expect(page).to_have_title("Live · Headscope")
