"""The Live page, its models, and what it stores."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page, expect

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.registry import BLACK_BOX, parse_analyses
from headscope.analysis.types import ModelRef
from headscope.dashboard.job_queue import JobQueue
from headscope.dashboard.pages.run.cards import cards
from headscope.dashboard.server_engine import ServerEngine
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.jobs.job import run_job
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter
from tests.browser import seed
from tests.browser.conftest import PATIENCE_MS, serving
from tests.browser.live_page import DRAWN, TEXT, open_live
from tests.factories import make_info, make_prompt, make_result, make_set
from tests.tiny_models import build_tiny_gpt2


def leave(page: Page, server: str) -> None:
    """Before its own server leaves: what the page asks then is an error. Of the same site, so scripts stay compiled."""
    page.goto(f"{server}/assets/favicon.svg")


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


def test_models_of_the_store_are_listed_with_the_reason(page: Page, app_server: str, tmp_path: Path) -> None:
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
            leave(page, app_server)
        jobs.close()


def test_the_page_says_which_model_is_being_loaded(page: Page, app_server: str, tmp_path: Path) -> None:
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
            leave(page, app_server)
        jobs.close()
