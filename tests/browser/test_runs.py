"""The Runs page as a user meets it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import FloatRect, Locator, Page, Route, expect

from headscope.analysis.types import Prompt
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from headscope.storage.rows import Condition
from tests.browser import seed
from tests.browser.conftest import OpenPage, serving
from tests.browser.runs_page import COUNT, ROW, open_runs, shown, total
from tests.browser.visit import visit
from tests.factories import make_info, make_result, make_set


def test_search_facets_and_chips(open_page: OpenPage, app_server: str, seeded_store: Store) -> None:
    page = open_page("dark")
    open_runs(page, app_server)
    everything = total(seeded_store)
    expect(page.locator(COUNT)).to_have_text(shown(everything, filtered=False))
    page.keyboard.press("/")
    page.keyboard.type("bread")
    expect(page).to_have_url(re.compile(r"\?q=bread$"))
    expect(page.locator(COUNT)).to_have_text(shown(total(seeded_store, search="bread")))
    page.locator(".hs-facets a", has_text="tiny-llama").click()
    expect(page).to_have_url(f"{app_server}/runs?q=bread&model=tiny-llama")
    both = total(seeded_store, Condition("model", "eq", "tiny-llama"), search="bread")
    expect(page.locator(COUNT)).to_have_text(shown(both))
    assert 0 < both < everything
    page.locator(".hs-chip", has_text="bread").click()
    expect(page).to_have_url(f"{app_server}/runs?model=tiny-llama")
    expect(page.locator("#runs-search")).to_have_value("")
    page.go_back()
    expect(page.locator("#runs-search")).to_have_value("bread")
    page.locator(".hs-clear").click()
    expect(page).to_have_url(f"{app_server}/runs")
    expect(page.locator(COUNT)).to_have_text(shown(everything, filtered=False))


def test_columns_sort_and_filter_into_the_link_and_back(page: Page, app_server: str, seeded_store: Store) -> None:
    open_runs(page, app_server)
    assert page.evaluate("() => window.dashAgGridFunctions.hsNumber(-2.034, 2)") == "−2.03"
    header = page.locator(".ag-header-cell[col-id=n_tokens]")
    header.click()
    expect(page).to_have_url(re.compile(r"sort=n_tokens$"))
    header.click()
    expect(page).to_have_url(re.compile(r"sort=-n_tokens$"))
    header.hover()
    header.locator(".ag-header-cell-filter-button").click()
    page.keyboard.type("12")
    expect(page).to_have_url(re.compile(r"f=n_tokens:eq:12"))
    equal = total(seeded_store, Condition("n_tokens", "eq", 12))
    expect(page.locator(COUNT)).to_have_text(shown(equal))
    page.keyboard.press("Escape")
    page.reload()
    expect(page.locator(".hs-chip")).to_contain_text("Tokens is 12")
    expect(page.locator(COUNT)).to_have_text(shown(equal))
    expect(page.locator(".ag-header-cell[col-id=n_tokens]")).to_have_attribute("aria-sort", "descending")
    page.locator(".hs-chip").click()
    expect(page.locator(COUNT)).to_have_text(shown(total(seeded_store), filtered=False))


def test_columns_are_kept_in_the_link_and_sized_to_what_they_hold(page: Page, app_server: str) -> None:
    open_runs(page, app_server)
    headers = page.locator(".ag-header-cell[col-id]")
    for name in ("target", "target_rank", "margin"):
        expect(page.locator(f".ag-header-cell[col-id={name}]")).to_be_attached()
    texts = page.locator(":is([col-id=margin], [col-id=mean_surprisal]) .ag-header-cell-text")
    assert len(set(texts.evaluate_all("texts => texts.map((text) => text.offsetHeight)"))) == 1  # units wrap alike
    for cell in page.locator(f"{ROW}[row-index='0'] .ag-cell:not([col-id=text])").all():
        assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth + 1"), cell.inner_text()
    page.locator("summary", has_text="Columns").click()
    page.locator("#runs-columns label", has_text="Experiment").click()
    page.locator("#runs-columns label", has_text="Tokens").click()
    expect(page).to_have_url(re.compile("cols=experiment&cols=text(?!.*cols=n_tokens)"))
    expect(page.locator(".ag-header-cell[col-id=experiment]")).to_be_attached()
    shown_columns = sorted(headers.evaluate_all("cells => cells.map((cell) => cell.getAttribute('col-id'))"))
    assert "n_tokens" not in shown_columns
    page.reload()
    expect(page.locator(f"{ROW} .hs-status").first).to_be_visible()
    expect(page.locator(".ag-header-cell[col-id=experiment]")).to_be_attached()
    expect(page.locator(".ag-header-cell[col-id=n_tokens]")).not_to_be_attached()
    page.locator("summary", has_text="Columns").click()
    page.locator("#runs-columns label", has_text="Experiment").click()
    page.locator("#runs-columns label", has_text="Tokens").click()
    expect(page).to_have_url(f"{app_server}/runs")  # the usual columns need no saying


def a_row_is_a_link(page: Page, app_server: str) -> None:
    row = page.locator(f"{ROW}[row-index='1']")
    address = f"{app_server}/run?id={row.get_attribute('row-id')}"
    with page.context.expect_page() as opened:
        row.locator("[col-id=n_tokens]").click(button="middle")
    assert opened.value.url == address
    opened.value.close()
    with page.context.expect_page() as opened:
        row.locator("[col-id=n_tokens]").click(modifiers=["Control"])
    assert opened.value.url == address
    opened.value.close()
    row.locator("[col-id=n_tokens]").click()
    expect(page).to_have_url(address)


def test_selection_opens_compare_and_exports(page: Page, app_server: str) -> None:
    open_runs(page, app_server, "?status=succeeded&sort=n_tokens")
    boxes = page.locator(".ag-row .ag-checkbox-input")
    boxes.nth(0).click()
    expect(page.locator("#runs-open")).to_be_visible()
    boxes.nth(1).click()
    expect(page.locator("#runs-compare")).to_be_visible()
    expect(page).to_have_url(re.compile(r"sel=.*&sel="))
    chosen = re.findall(r"sel=([^&]+)", unquote(page.url))
    page.reload()
    expect(page.locator(f"{ROW}.ag-row-selected")).to_have_count(2)
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.locator(".hs-menu-list a[href*='sel=']", has_text="CSV").click()
    with open(download.value.path(), newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == chosen
    page.keyboard.press("c")
    expect(page).to_have_url(f"{app_server}/compare?a={chosen[0]}&b={chosen[1]}")


def test_export_of_all_that_match(page: Page, app_server: str, seeded_store: Store) -> None:
    open_runs(page, app_server, "?model=tiny-llama&q=the")
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.locator(".hs-menu-list a", has_text="Parquet").first.click()
    table = pq.read_table(download.value.path())
    assert table.num_rows == total(seeded_store, Condition("model", "eq", "tiny-llama"), search="the") > 0
    assert set(table.column("model").to_pylist()) == {"tiny-llama"}


def rows_are_walked_selected_and_opened_by_keys(page: Page, app_server: str) -> None:
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".ag-cell-focus")).to_have_attribute("col-id", "text")
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile("sel="))
    expect(page.locator(f"{ROW}[row-index='1']")).to_have_class(re.compile("ag-row-selected"))
    chosen = page.url.split("sel=")[1]
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{app_server}/run?id={chosen}")


def test_rows_are_walked_by_keys_and_are_links(page: Page, app_server: str) -> None:
    open_runs(page, app_server, "?status=succeeded")
    rows_are_walked_selected_and_opened_by_keys(page, app_server)
    page.go_back()
    expect(page.locator(f"{ROW} .hs-status").first).to_be_visible()
    open_runs(page, app_server, "?status=succeeded")  # rows that nothing draws anew while they are pressed
    a_row_is_a_link(page, app_server)


def test_no_match_says_so_and_offers_a_way_back_and_fast_typing_stays_in_order(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/runs?q=no+such+text+anywhere&colour=red")
    expect(page.locator("#runs-box")).to_contain_text("No run matches")
    expect(page.locator("#runs-notes")).to_contain_text("“colour”, which this page does not use")
    page.locator("#runs-box .hs-button").click()
    expect(page.locator(f"{ROW} .hs-status").first).to_be_visible()
    expect(page.locator("#runs-box")).to_be_empty()
    page.locator("#runs-search").focus()
    page.keyboard.type("the baker said that the bread")
    expect(page).to_have_url(re.compile("q=the%20baker%20said%20that%20the%20bread$"))


def corners(box: Locator) -> list[bytes]:
    """Pictures of both lower corners of a box, 14 x 3 px of its padding, where nothing but its background is drawn."""
    at = box.evaluate("box => { const { x, y } = box.getBoundingClientRect(); return [x, y]; }")
    width, height = box.evaluate("box => [box.clientWidth, box.clientHeight]")
    places = (at[0], at[0] + width - 14)
    clips = [FloatRect(x=place, y=at[1] + height - 3, width=14, height=3) for place in places]
    return [box.page.screenshot(clip=clip) for clip in clips]


def test_a_failed_run_of_the_viewers_day_shows_its_reason_in_the_list(open_page: OpenPage, app_server: str) -> None:
    page = open_page(zone="Pacific/Auckland")
    open_runs(page, app_server, f"?error_kind=empty&f=created_at:eq:{seed.NEXT_DAY_IN_AUCKLAND:%Y-%m-%d}")
    expect(page.locator(COUNT)).to_have_text(shown(1))
    expect(page.locator(".hs-chip", has_text="(Pacific/Auckland)")).to_be_visible()
    expect(page.locator(f"{ROW} [col-id=created_at]")).to_have_text(f"{seed.NEXT_DAY_IN_AUCKLAND:%-d %b %Y}")
    expect(page.locator(f"{ROW} .hs-cell-error").first).to_have_text(re.compile("^the prompt is empty"))
    wide, narrow = (page.locator(f"{ROW} [col-id={name}]").first.bounding_box() for name in ("text", "status"))
    assert wide is not None
    assert narrow is not None
    assert wide["width"] > 4 * narrow["width"]
    page.set_viewport_size({"width": 390, "height": 900})
    facets = page.locator(".hs-facets > div")
    left, right = corners(facets)  # a shadow says on which side there is more
    facets.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
    left_at_end, right_at_end = corners(facets)
    assert (left_at_end != left, right_at_end != right) == (True, True)


@pytest.fixture(scope="module")
def warned_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an app over thirty runs, each of another model, of which one was changed while it ran."""
    results = [make_result(Prompt(f"p{i}", f"Text {i}", " yes", " no"), seed=i) for i in range(30)]
    results[0] = replace(results[0], capsule={**results[0].capsule, "interventions": ["mlp:1:zero"]})
    with Store.open(str(tmp_path_factory.mktemp("warned") / "store.duckdb")) as store:
        for i, one in enumerate(results):
            job = store.start_job(experiment=f"experiment {i}", model=f"model-{i}", spec={}, total=1)
            store.save(job, make_info(f"model-{i}"), make_set(one.prompt, name=f"set {i}"), ["heads"], 0, [one])
        with serving(Services(store)) as address:
            yield address


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_what_stands_above_the_list_leaves_its_foot_in_the_window(
    open_page: OpenPage, warned_server: str, width: int, height: int
) -> None:
    page = open_page(width=width, height=height)
    open_runs(page, warned_server)
    card, foot = page.locator(".hs-runs-card"), "card => card.getBoundingClientRect().bottom"
    expect(page.locator("#runs-cautions .hs-warning-line")).to_contain_text("has interventions")
    expect(page.locator(".hs-facets h3").first).to_be_visible()
    expect(page.locator(f"{ROW} .hs-status").first).to_be_in_viewport()
    warned = card.bounding_box()
    assert warned is not None
    assert warned["height"] >= 300
    assert height - 24 <= warned["y"] + warned["height"] <= height
    assert page.evaluate("() => document.documentElement.scrollHeight") == height
    visit(page, "/methods")
    held: list[Route] = []

    def hold_facets(route: Route) -> None:
        if "runs-facets" in route.request.post_data_json["output"]:
            held.append(route)
        else:
            route.continue_()

    page.route("**/_dash-update-component*", hold_facets)
    visit(page, "/runs?model=model-3")
    expect(page.locator(COUNT)).to_have_text(shown(1))
    expect(page.locator("#runs-cautions .hs-warning-line")).to_have_count(0)
    expect(page.locator("#runs-facets .hs-loading")).to_have_count(1)
    assert height - 24 <= card.evaluate(foot) <= height  # while the facets are being counted, too
    held.pop().continue_()
    expect(page.locator("#runs-facets h3").first).to_be_visible()
    assert height - 24 <= card.evaluate(foot) <= height
    page.set_viewport_size({"width": width, "height": 400})  # too low for both: the page scrolls, the list stays a list
    assert card.evaluate("card => card.offsetHeight") == 300
