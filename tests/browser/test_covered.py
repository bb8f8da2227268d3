"""Offensive texts on every page: covered until the viewer uncovers them, one by one, a run, or all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from headscope.dashboard.pages import load_pages
from headscope.dashboard.pages.bias.query import BiasQuery, compared
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests import offensive_store
from tests.browser.conftest import OpenPage, serving
from tests.browser.visit import visit
from tests.offensive_store import REPLY, RUDE, row

LEAKS = """(words) => {
  const hit = (text) => words.some((word) => String(text).toLowerCase().includes(word)), leaks = [];
  if (hit(document.title)) leaks.push(`title ${document.title}`);
  if (hit(document.body.innerText)) leaks.push("visible text");
  for (const node of document.querySelectorAll("*")) {
    if (node.closest(".hs-cover-text, .hs-cover-with")) continue;
    const where = `${node.tagName} ${node.id} ${node.className}`;
    for (const { name, value } of node.attributes)
      if (name !== "data-still" && hit(value)) leaks.push(`${where} [${name}]`);
    for (const child of node.childNodes)
      if (child.nodeType === 3 && hit(child.data)) leaks.push(`${where} ${child.data}`);
    if (node.data && hit(JSON.stringify(node.data))) leaks.push(`${where}: figure`);
  }
  return leaks;
}"""
COLUMNS = ("status", "text", "target", "next_token", "continuation", "foil")
UNCOVERED = {"overview", "runs", "run", "compare", "failures", "bias", "confidence", "methods", "blackbox", "patching",
             "scorer", "toxicity", "heads"}  # fmt: skip
"""Pages that show texts of these runs."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("browser") / "covered.duckdb")) as opened:
        offensive_store.fill(opened)
        yield opened


@pytest.fixture(scope="module")
def server(store: Store) -> Iterator[str]:
    with serving(Services(store)) as url:
        yield url


def addresses(store: Store) -> dict[str, str]:
    """Every page of the registry, as full as it gets."""
    a, b = row(store, "cook-old").id, row(store, "cook-young").id
    scoped = f"?experiment={offensive_store.EXPERIMENT}"
    pairs = compared(store, BiasQuery(experiment=offensive_store.EXPERIMENT))[0].key
    queries = {"run": f"?id={a}", "compare": f"?a={a}&b={b}&more={row(store, 'nurse-old').id}",
               "methods": f"{scoped}&method=saliency", "heads": f"{scoped}&head=0.0", "head": f"tiny/0/0{scoped}",
               "bias": f"{scoped}&row={quote(pairs)}&pair=cook", "toxicity": f"{scoped}&which=any",
               "overview": "", "live": "", "patching": "",
               "runs": "".join(f"{'&' if i else '?'}cols={name}" for i, name in enumerate(COLUMNS))}  # fmt: skip
    return {page.PAGE.name: page.PAGE.path + queries.get(page.PAGE.name, scoped) for page in load_pages()}


def settled(page: Page) -> None:
    expect(page.locator("html.hs-busy, #shell-page .hs-loading, ._dash-loading-callback")).to_have_count(0)
    expect(page.locator("#shell-page h1")).to_have_count(1)


def leaks(page: Page) -> list[str]:
    settled(page)
    found: list[str] = page.evaluate(LEAKS, [RUDE, REPLY])
    return found


def test_no_page_shows_a_covered_text_and_the_switch_shows_all(open_page: OpenPage, store: Store, server: str) -> None:
    page, shown = open_page(expected="422"), set()  # the Live page may ask a model, and none is there
    page.goto(f"{server}/models")
    settled(page)
    places = addresses(store)
    for name in sorted(places, key="models".__eq__):  # first another page than the one that is open
        visit(page, places[name])
        if name in UNCOVERED:
            expect(page.locator(".hs-cover-label, .hs-cover-bar").first).to_be_visible()
        assert leaks(page) == [], name
        if name in UNCOVERED:
            page.keyboard.press("o")
            expect(page.locator("#shell-main")).to_contain_text(re.compile(RUDE))
            expect(page.locator(".hs-cover-label:visible")).to_have_count(0)
            shown.add(name)
            page.keyboard.press("o")
            settled(page)
    assert shown == UNCOVERED


def test_one_text_is_uncovered_by_its_button_and_its_row_stays_closed(
    open_page: OpenPage, store: Store, server: str
) -> None:
    page = open_page()
    page.goto(f"{server}/")
    cover = page.locator("#overview-recent .hs-cover", has=page.locator("a")).first
    button = cover.get_by_role("button")
    expect(cover).to_contain_text(re.compile(r"covered: \d words? · "))
    high = cover.bounding_box()
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(cover.locator(".hs-cover-text")).to_be_visible()
    expect(cover.locator(".hs-cover-label")).to_be_hidden()
    after = cover.bounding_box()
    assert high is not None
    assert after is not None
    assert after["height"] == high["height"]
    assert page.url == f"{server}/"
    button.click()
    expect(cover.locator(".hs-cover-text")).to_be_hidden()
    switch = page.get_by_role("button", name="Show offensive texts (o)")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(cover.locator(".hs-cover-text")).to_be_visible()
    expect(switch).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(LEAKS, [RUDE]) != []


def test_a_run_is_uncovered_on_its_page_for_this_viewer_alone(open_page: OpenPage, store: Store, server: str) -> None:
    page, run = open_page(), row(store, "cook-old")
    page.goto(f"{server}/run?id={run.id}&layer=1")
    expect(page.locator(".hs-run-chip")).to_have_count(6)  # five words, and what comes next
    expect(page.locator(".hs-run-chips")).to_contain_text("Xxx xxxx")
    expect(page).to_have_title(re.compile(f"^covered prompt, run {run.id[-4:]} · Run"))
    page.get_by_role("button", name="Show the text").click()
    expect(page.locator(".hs-run-chips")).to_contain_text(RUDE)
    again = page.get_by_role("button", name="Cover the text")
    expect(again).to_be_focused()
    expect(page).to_have_title(re.compile("^covered prompt"))
    visit(page, f"/run?id={row(store, 'nurse-old').id}")
    expect(page.locator(".hs-run-chips")).to_contain_text("Xxx xxxxx")
    visit(page, f"/compare?a={run.id}&b={row(store, 'cook-young').id}")
    expect(page.locator(".hs-cover-bar")).to_contain_text("continuation")
    expect(page.locator("#compare-surprisal")).to_be_hidden()
    page.get_by_role("button", name="Show the text").click()
    expect(page.locator("#compare-surprisal .hs-units")).to_contain_text(RUDE)
    again.click()
    expect(page.locator("#compare-surprisal")).to_be_hidden()
