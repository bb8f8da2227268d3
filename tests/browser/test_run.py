"""The Run page as a user meets it: tokens, downloads, failed and partial runs."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunDetail
from tests.browser.conftest import THEMES
from tests.browser.run_page import at, first_run, open_run
from tests.browser.visit import visit


@pytest.fixture(scope="module")
def partial(seeded_store: Store) -> RunDetail:
    """A run without attention."""
    return first_run(seeded_store, Condition("experiment", "eq", "second"), Condition("status", "eq", "succeeded"))


def tokens_are_one_tab_stop_with_arrow_keys(page: Page) -> None:
    chips = page.locator("#run-tokens-slot .hs-run-chip")
    expect(page.locator("#run-tokens-slot .hs-run-chip[tabindex='0']")).to_have_count(1)
    page.locator("#run-tokens-slot .hs-run-chip[tabindex='0']").focus()
    page.keyboard.press("Home")
    expect(chips.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(chips.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(chips.last).to_be_focused()
    expect(page.locator("#run-tokens-slot .hs-run-chip[tabindex='0']")).to_have_count(1)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.hs-run-chips')") is None


def chips_show_exact_numbers_and_open_what_was_expected_there(page: Page, whole: RunDetail) -> None:
    assert whole.trace is not None
    chips = page.locator(".hs-run-chip")
    chips.nth(2).hover()
    facts = page.locator("#run-tokens-slot .hs-run-facts")
    bits = -float(whole.trace.logprobs[2]) / np.log(2)
    expect(facts).to_contain_text(f"{bits:.4g} bits")
    expect(facts).to_contain_text(f"Rank {whole.trace.ranks[2]:,}")
    chips.nth(2).click()
    rows = page.locator(".hs-run-candidates li")
    expected = whole.trace.topk_texts[1][0].replace(" ", "␣").replace("\n", "⏎")
    expect(rows.first.locator(".token > span")).to_have_text(expected)
    expect(page.locator(".hs-run-candidates li.actual")).to_have_count(1)
    expect(page).to_have_url(re.compile("pos=2"))
    chips.first.click()
    expect(page.locator("#run-candidates-slot")).to_contain_text("Nothing comes before the first token")


def test_text_on_every_chip_has_enough_contrast_in_both_themes(page: Page, app_server: str, whole: RunDetail) -> None:
    open_run(page, app_server, whole.row.id)
    for colour in ("surprisal", "input_x_gradient"):
        page.locator(f"#run-tokens-controls [data-value={colour}]").click()
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
            pairs = page.evaluate(
                """() => [...document.querySelectorAll('.hs-run-chip, #run-lens-slot td')]
                     .filter((n) => n.style.getPropertyValue('--chip'))
                     .map((n) => [getComputedStyle(n).color, getComputedStyle(n).backgroundColor])"""
            )
            assert len(pairs) > 10
            assert min(contrast(*pair) for pair in pairs) >= 4.5, (colour, theme)


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast of two `rgb(r, g, b)` colours."""
    lights = []
    for colour in (first, second):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
                  for v in (int(n) / 255 for n in re.findall(r"\d+", colour)[:3])]  # fmt: skip
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_unicode_and_spaces_are_shown_as_text_without_markers(page: Page, app_server: str, seeded_store: Store) -> None:
    detail = first_run(seeded_store, Condition("text", "contains", "漢字"))
    open_run(page, app_server, detail.row.id)
    shown = "".join(page.locator(".hs-run-chip:not(.next):not(.rest)").all_inner_texts())
    assert "漢字" in shown
    assert not set("ĠĊÃ") & set(page.locator("#shell-main").inner_text())
    page.locator("#run-tokens-controls .hs-toggle").click()
    expect(page.locator(".hs-run-chip", has_text="␣").first).to_be_visible()
    expect(page).to_have_url(re.compile("marks=1"))


def test_a_run_without_attention_says_what_to_run(page: Page, app_server: str, partial: RunDetail) -> None:
    open_run(page, app_server, partial.row.id)
    expect(page.locator("#run-attention")).to_contain_text("Attention was not measured")
    expect(page.locator("#run-attention")).to_contain_text("--analyses attention,heads")
    expect(page.locator("#run-attention canvas")).to_have_count(0)
    expect(page.locator("#run-lens")).to_contain_text("--analyses logit_lens")
    expect(page.locator("#run-formation .js-plotly-plot")).to_be_visible()


def test_a_failed_run_says_what_happened_and_draws_nothing_and_an_unknown_one_is_explained(
    page: Page, app_server: str, seeded_store: Store
) -> None:
    detail = first_run(seeded_store, Condition("error_kind", "eq", "too_long"))
    page.goto(f"{app_server}/run?id={detail.row.id}")
    box = page.locator("#run-failure")
    expect(box).to_contain_text("tokens and the model reads at most")
    expect(box).to_contain_text("What to do")
    expect(page.locator(".js-plotly-plot, canvas")).to_have_count(0)
    expect(page.locator("#run-capsule")).to_contain_text("model checked: 15 of 15 quick checks passed")
    visit(page, "/run?id=0000")
    expect(page.locator(".hs-empty")).to_contain_text("No such run")


PICTURED = ("tokens", "candidates", "confidence", "attributions", "attention", "lens", "formation", "norms")


def test_every_card_downloads_as_a_picture(page: Page, app_server: str, whole: RunDetail) -> None:
    open_run(page, app_server, whole.row.id, "&layer=1&head=2")
    at(page, 1, 2)
    expect(page.locator("#run-norms .js-plotly-plot .main-svg").first).to_be_visible()
    for name, kind in product(PICTURED, ("PNG", "SVG")):
        card = page.locator(f"#run-{name}")
        card.get_by_title("Download").click()
        with page.expect_download() as download:
            card.get_by_role("menuitem", name=kind).click()
        assert download.value.suggested_filename == f"run-{name}.{kind.lower()}"
        contents = Path(download.value.path()).read_bytes()
        if kind == "PNG":
            assert contents.startswith(b"\x89PNG")
            assert len(contents) > 5000
        else:
            drawing = ElementTree.fromstring(contents.decode())
            assert len([part for part in drawing.iter() if part.tag.endswith(("}text", "}image"))]) > 3


def the_runs_files_download(page: Page, whole: RunDetail) -> None:
    page.locator(".hs-page-actions summary").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Everything, JSON").click()
    data: dict[str, Any] = json.loads(Path(download.value.path()).read_bytes())
    assert data["row"]["id"] == whole.row.id


def next_and_previous_run_by_key(page: Page, whole: RunDetail) -> None:
    page.keyboard.press("j")
    expect(page.locator(f"#run-root[data-ready]:not([data-ready='{whole.row.id}'])")).to_be_visible()
    expect(page).not_to_have_url(re.compile(whole.row.id))
    page.keyboard.press("k")
    expect(page.locator(f"#run-root[data-ready='{whole.row.id}']")).to_be_visible()


def test_tokens_are_walked_and_read_files_download_and_keys_lead_to_the_runs_beside(
    page: Page, app_server: str, whole: RunDetail
) -> None:
    open_run(page, app_server, whole.row.id)
    tokens_are_one_tab_stop_with_arrow_keys(page)
    chips_show_exact_numbers_and_open_what_was_expected_there(page, whole)
    the_runs_files_download(page, whole)
    page.keyboard.press("Escape")
    next_and_previous_run_by_key(page, whole)
