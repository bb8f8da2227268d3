"""The Heads page in a browser: another statistic, a label, a head and its runs, and their files."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Download, Page, expect

from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests import head_runs
from tests.browser.conftest import OpenPage, serving
from tests.browser.visit import visit
from tests.browser.window import too_wide


@pytest.fixture(scope="module")
def heads_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an app over `head_runs`."""
    with Store.open(str(tmp_path_factory.mktemp("browser") / "heads.duckdb")) as store:
        head_runs.fill(store)
        with serving(Services(store)) as url:
            yield url


def test_from_all_heads_to_one_and_to_its_run(open_page: OpenPage, heads_server: str) -> None:
    page = open_page("dark", width=390)
    page.goto(f"{heads_server}/heads?experiment=removed")
    expect(page.locator("#heads-map .js-plotly-plot")).to_be_visible()
    expect(page.locator("#heads-matter .js-plotly-plot")).to_be_visible()
    expect(page.locator("#heads-one")).to_be_hidden()
    page.locator("#heads-table .hs-heads-labels a", has_text="induction").click()
    expect(page.locator("#heads-table tbody tr")).to_have_count(1)
    page.locator("#heads-table tbody th a").click()
    expect(page).to_have_url(re.compile(r"/heads/tiny/5/0\?experiment=removed"))
    expect(page.locator("#head-scope h2")).to_have_text("Layer 5, head 0 of tiny")
    expect(page.locator("#head-spread .js-plotly-plot")).to_be_visible()
    page.keyboard.press("]")
    expect(page.locator("#head-scope h2")).to_have_text("Layer 6, head 0 of tiny")
    page.keyboard.press("[")
    expect(page.locator("#head-scope h2")).to_have_text("Layer 5, head 0 of tiny")
    page.locator("#head-looks tbody th a", has_text="Induction lift").click()
    expect(page.locator("#head-runs details[open] th").first).to_have_text("Most induction lift")
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert too_wide(page, "#shell-main") == []
    page.locator("#head-runs td a").first.click()
    expect(page).to_have_url(re.compile(r"/run\?id="))
    expect(page.locator("#run-root h1")).to_be_visible()


def test_an_older_address_shows_the_head_among_all_and_where_nothing_was_removed_the_command_stands(
    open_page: OpenPage, heads_server: str
) -> None:
    page = open_page()
    page.goto(f"{heads_server}/heads?experiment=removed&head=5.0")
    expect(page.locator("#heads-one")).to_contain_text("Layer 5, head 0")
    page.locator("#heads-one tbody th a", has_text="Induction lift").click()
    expect(page.locator("#heads-map")).to_contain_text("Induction over what uniform attention")
    expect(page.locator("#heads-one")).to_contain_text("Most induction lift")
    page.locator("#heads-one a", has_text="Open its page").click()
    expect(page.locator("#head-scope h2")).to_have_text("Layer 5, head 0 of tiny")
    visit(page, "/heads?experiment=seen")
    expect(page.locator("#heads-matter")).to_contain_text("--experiment seen --analyses head_ablation")


def saved(page: Page, card: str, entry: str) -> Download:
    """What an entry of a card's menu saves, opened and chosen by the keyboard alone."""
    menu = page.locator(f"#{card} .hs-menu").filter(has=page.locator("summary[aria-label=Download]"))
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    menu.get_by_role("menuitem", name=entry).focus()
    with page.expect_download() as taken:
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    return taken.value


def lines(download: Download) -> list[dict[str, str]]:
    with open(download.path(), newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_of_a_head_hold_what_its_page_shows(open_page: OpenPage, heads_server: str) -> None:
    page = open_page()
    page.goto(f"{heads_server}/heads/tiny/5/0?experiment=removed&stat=induction")
    row = page.locator("#head-looks tbody tr", has=page.get_by_role("link", name="Induction", exact=True))
    expect(row).to_be_visible()
    (line,) = [one for one in lines(saved(page, "head-looks", "CSV")) if one["statistic"] == "induction"]
    cells = row.locator("td").all_inner_texts()
    low, high = f"{float(line['low']):.3f}", f"{float(line['high']):.3f}"
    assert cells[0].split() == [f"{float(line['mean']):.3f}", f"[{low},", f"{high}]"]
    assert cells[1] == f"{float(line['median']):.3f}"
    assert cells[3:] == [f"{line['place']} of {line['of_heads']}", line["n"]]
    expect(page.locator("#head-runs details[open] tbody tr")).to_have_count(5)
    runs = [one for one in lines(saved(page, "head-runs", "CSV")) if one["statistic"] == "induction" and one["value"]]
    top = max(runs, key=lambda one: float(one["value"]))
    first = page.locator("#head-runs details[open] tbody tr").first
    expect(first.locator("a")).to_have_text(top["text"])
    expect(first.locator("td.num")).to_have_text(f"{float(top['value']):.3f}")
    rules = lines(saved(page, "head-labels", "CSV"))
    assert {one["label"] for one in rules if one["holds"] == "yes"} == {"induction"}
    expect(page.locator("#head-spread .js-plotly-plot")).to_be_visible()
    assert saved(page, "head-spread", "SVG").suggested_filename == "head-spread.svg"
    visit(page, "/heads?experiment=removed&label=induction")
    expect(page.locator("#heads-table tbody tr")).to_have_count(1)
    expect(page.locator("#heads-table").get_by_role("menuitem", include_hidden=True)).to_have_attribute(
        "href", re.compile("label=induction")
    )
    download = saved(page, "heads-table", "CSV")
    assert download.suggested_filename == "headscope-heads-labels.csv"
    assert {(one["layer"], one["head"]) for one in lines(download)} == {("5", "0")}
