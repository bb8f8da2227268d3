"""Overview and Runs as a user meets them."""

from __future__ import annotations

import csv
import re
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter
from tests.browser import seed
from tests.browser.conftest import OpenPage, serving

ROW = ".ag-center-cols-container .ag-row"
COUNT = "#runs-count"


def open_runs(page: Page, server: str, query: str = "") -> None:
    page.goto(f"{server}/runs{query}")
    expect(page.locator(f"{ROW} .hs-status").first).to_be_visible()


def total(store: Store, *conditions: Condition, search: str = "") -> int:
    return store.runs_page(RunFilter(conditions, search), limit=1).total


def shown(count: int, filtered: bool = True) -> str:
    one = count == 1
    return f"{count:,} run{'' if one else 's'}" + (f" match{'es' if one else ''}" if filtered else "")


def test_overview_leads_to_the_runs_behind_each_number(themed_page: Page, app_server: str, seeded_store: Store) -> None:
    page, failed = themed_page, total(seeded_store, Condition("status", "eq", "failed"))
    page.goto(app_server)
    tile = page.locator(".hs-stat", has_text="Failed")
    expect(tile.locator(".hs-stat-value")).to_have_text(str(failed))
    expect(page.locator("h1")).to_have_count(1)
    tile.click()
    expect(page).to_have_url(f"{app_server}/runs?status=failed")
    expect(page.locator(COUNT)).to_have_text(shown(failed))
    expect(page.locator(f"{ROW} .hs-cell-error").first).to_be_visible()
    page.go_back()
    expect(page.locator("#overview-models")).to_contain_text("15 of 15 quick checks passed")
    page.locator("#overview-experiments a", has_text="second").first.click()
    expect(page).to_have_url(f"{app_server}/runs?experiment=second")
    expect(page.locator(COUNT)).to_have_text(shown(total(seeded_store, Condition("experiment", "eq", "second"))))


def test_overview_is_walked_by_keys(page: Page, app_server: str) -> None:
    page.goto(app_server)
    expect(page.locator("table[data-rows=open] tbody tr").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("table[data-rows=open] tbody tr").nth(1)
    expect(second).to_have_attribute("aria-selected", "true")
    href = second.get_attribute("data-href")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{app_server}{href}")


def test_overview_refreshes_without_flicker(page: Page, app_server: str) -> None:
    page.goto(app_server)
    expect(page.locator(".hs-stats")).to_be_visible()
    page.evaluate("""() => {
        window.changes = 0;
        new MutationObserver((found) => window.changes += found.filter((m) => m.type === "childList").length)
            .observe(document.getElementById("overview-body"), {childList: true});
    }""")
    with page.expect_response(lambda r: "overview-body" in (r.request.post_data or "")) as response:
        page.evaluate("() => dash_clientside.set_props('overview-tick', { interval: 500 })")  # sooner than for a reader
    assert response.value.status == 204
    assert page.evaluate("() => window.changes") == 0


def test_empty_store_says_what_to_type(themed_page: Page, empty_server: str) -> None:
    page = themed_page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(empty_server)
    command = page.locator(".hs-command code")
    expect(command).to_contain_text(
        "headscope run --prompts factual_recall --model smollm2-135m-instruct --experiment first"
    )
    page.locator(".hs-copy").click()
    expect(page.locator(".hs-copy")).to_contain_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == command.inner_text()
    page.goto(f"{empty_server}/runs")
    expect(page.locator("#runs-box")).to_contain_text("No runs yet")
    expect(page.locator("#runs-box .hs-command")).to_be_visible()


def test_search_facets_and_chips(themed_page: Page, app_server: str, seeded_store: Store) -> None:
    page = themed_page
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


def test_fast_typing_stays_in_order(page: Page, app_server: str) -> None:
    open_runs(page, app_server)
    page.locator("#runs-search").focus()
    page.keyboard.type("the baker said that the bread")
    expect(page).to_have_url(re.compile("q=the%20baker%20said%20that%20the%20bread$"))


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


def test_a_row_is_a_link(page: Page, app_server: str) -> None:
    open_runs(page, app_server, "?status=succeeded")
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


def test_rows_are_walked_selected_and_opened_by_keys(page: Page, app_server: str) -> None:
    open_runs(page, app_server, "?status=succeeded")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".ag-cell-focus")).to_have_attribute("col-id", "text")
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile("sel="))
    expect(page.locator(f"{ROW}[row-index='1']")).to_have_class(re.compile("ag-row-selected"))
    chosen = page.url.split("sel=")[1]
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{app_server}/run?id={chosen}")


def test_no_match_says_so_and_offers_a_way_back(themed_page: Page, app_server: str) -> None:
    page = themed_page
    page.goto(f"{app_server}/runs?q=no+such+text+anywhere&colour=red")
    expect(page.locator("#runs-box")).to_contain_text("No run matches")
    expect(page.locator("#runs-notes")).to_contain_text("“colour”, which this page does not use")
    page.locator("#runs-box .hs-button").click()
    expect(page.locator(f"{ROW} .hs-status").first).to_be_visible()
    expect(page.locator("#runs-box")).to_be_empty()


def test_theme_is_chosen_once(page: Page, app_server: str) -> None:
    page.goto(app_server)
    html = page.locator("html")
    expect(html).to_have_attribute("data-bs-theme", "light")
    page.locator("#shell-theme-button").click()
    expect(html).to_have_attribute("data-bs-theme", "dark")
    page.reload()
    expect(html).to_have_attribute("data-bs-theme", "dark")
    expect(page.locator(".hs-stats")).to_be_visible()
    page.keyboard.press("t")
    expect(html).to_have_attribute("data-bs-theme", "light")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_theme_follows_the_system_before_the_first_paint(open_page: OpenPage, app_server: str, theme: str) -> None:
    page = open_page(theme=theme)
    page.goto(app_server, wait_until="commit")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
    assert page.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == theme


def test_a_lost_server_is_said_and_forgotten(open_page: OpenPage, seeded_store: Store) -> None:
    with serving(Services(seeded_store)) as url:
        page = open_page(expected="ERR_INTERNET_DISCONNECTED|Failed to fetch|the server did not respond")
        page.goto(url)
        expect(page.locator(".hs-stats")).to_be_visible()
        expect(page.locator(".hs-offline")).to_be_hidden()
        page.context.set_offline(True)
        expect(page.locator(".hs-offline")).to_be_visible()
        page.context.set_offline(False)
        expect(page.locator(".hs-offline")).to_be_hidden()


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


def test_help_and_jumps(page: Page, app_server: str) -> None:
    page.goto(app_server)
    expect(page.locator(".hs-stats")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("#shell-help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#shell-help")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page).to_have_url(f"{app_server}/runs")
    expect(page.locator("#shell-nav-runs")).to_have_attribute("aria-current", "page")
    expect(page).to_have_title("Runs · Headscope")


@pytest.mark.own_page
def test_a_first_key_is_not_the_second_of_a_jump(page: Page, app_server: str) -> None:
    """With the clock stopped just after loading, when a g that was never pressed would still count."""
    page.add_init_script("performance.now = () => 5")
    open_runs(page, app_server)
    page.keyboard.press("c")  # g c would be Compare; nothing is selected, so c alone does nothing
    page.keyboard.press("j")
    expect(page.locator(".ag-cell-focus")).to_have_attribute("col-id", "text")
    assert page.url == f"{app_server}/runs"


@pytest.mark.own_page
def test_what_is_typed_on_a_page_that_is_left_goes_nowhere(page: Page, app_server: str) -> None:
    """The field is gone, and the address is another page's, when typing would have been reported."""
    page.clock.install()
    open_runs(page, app_server)
    page.locator("#runs-search").fill("bread")
    page.locator("#shell-nav-compare").click()
    expect(page.locator("#compare-root")).to_be_visible()
    page.clock.run_for(5000)
    expect(page.locator("#compare-pickers")).to_contain_text("Choose two runs")
    assert page.url == f"{app_server}/compare"


@pytest.mark.parametrize(
    ("path", "ready", "act"),
    [
        ("/live?text=The+cat", "#live-root.full", "headscope.live.page.link()"),
        ("/run?id={id}", "#run-root[data-ready]", "document.dispatchEvent(new KeyboardEvent('keydown', {key: ']'}))"),
        ("/runs", ".ag-row .hs-status", "dash_clientside.headscope_runs.go({keys: ['q'], query: '?q=bread'})"),
        ("/compare?a={id}&b={id}", "#compare-swap:enabled", "document.querySelector('#compare-changed').click()"),
    ],
)
@pytest.mark.own_page
def test_a_page_that_is_being_left_writes_into_no_other_address(
    page: Page, app_server: str, seeded_store: Store, path: str, ready: str, act: str
) -> None:
    """The address is the next page's at once, its content comes later: what the old page still does must not write."""
    run = seeded_store.runs_page(RunFilter((Condition("status", "eq", "succeeded"),)), limit=1).rows[0]
    page.clock.install()
    page.goto(f"{app_server}{path.format(id=run.id)}")
    expect(page.locator(ready).first).to_be_visible()
    page.evaluate(f"() => {{ history.pushState({{}}, '', '/elsewhere'); {act}; }}")
    page.clock.run_for(5000)
    assert page.url == f"{app_server}/elsewhere"
