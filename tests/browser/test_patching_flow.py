"""Why in a browser: typed prompts, the map, a cell, interventions, and what stands there when it cannot be done."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Download, Locator, Page, expect

from tests.browser.conftest import OpenPage

CLEAN, CORRUPTED = "One two three four five", "One six three four five"
TINY = "model=tiny-gpt2"  # whatever else this machine has


def test_typed_prompts_give_a_map_and_a_click_its_candidates(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/patching")
    expect(page.locator("#patching-map-body")).to_contain_text("No prompts yet")
    page.locator("#patching-clean").fill(CLEAN)
    page.locator("#patching-corrupted").fill(CORRUPTED)
    page.get_by_label("Model", exact=True).select_option("tiny-gpt2")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page).to_have_url(re.compile(r"/patching\?clean=One"))
    expect(page.locator("#patching-graph .heatmaplayer image")).to_be_attached()
    expect(page.locator("#patching-map-body")).to_contain_text("Explained")
    expect(page.locator("#patching-live")).to_have_attribute("data-shown", "")  # what stands above the map is there
    plot = page.locator("#patching-graph .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    expect(page).to_have_url(re.compile(r"layer=\d+&position=\d+"))
    expect(page.locator(".hs-patching-candidates table")).to_have_count(3)
    expect(page.locator("#patching-cell-body")).to_contain_text("Layer")
    expect(page.get_by_label("Part", exact=True).last).to_have_value("residual")  # offered to be patched
    expect(page).to_have_url(re.compile("on=corrupted"))
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#patching-live")).to_have_attribute("data-shown", re.compile(r"^residual:\d+@\d+:patch$"))


def test_a_part_is_switched_off_and_on_again_and_the_link_keeps_it(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/patching?clean={quote(CLEAN)}&target=%20two&foil=%20the&{TINY}")
    live, cells = page.locator("#patching-live"), page.locator("#patching-live [data-row=margin] td")
    expect(page.locator("#patching-map-body")).to_contain_text("second prompt")
    expect(live).to_have_attribute("data-shown", "")
    expect(cells.nth(2)).to_have_text("0")
    before = cells.nth(0).inner_text()
    bars = page.locator("#patching-bars button.hs-why-bar")
    bar = bars.first
    code = bar.get_attribute("data-code") or ""
    bar.click()
    expect(live).to_have_attribute("data-shown", code)
    expect(page.locator(f"#patching-bars [data-code='{code}']")).to_have_attribute("aria-pressed", "true")
    assert cells.nth(0).inner_text() == before
    off = cells.nth(1).inner_text()
    assert off != before
    page.locator("#patching-live").get_by_role("button", name="Scale").click()
    page.get_by_label("Factor").fill("2")
    page.get_by_label("Factor").press("Enter")  # head 0 of layer 0
    both = f"{code},head:0.0:scale:2"
    expect(live).to_have_attribute("data-shown", both)
    page.reload()
    expect(live).to_have_attribute("data-shown", both)
    assert both in page.url
    page.locator("h1").click()
    page.keyboard.press("u")
    expect(live).to_have_attribute("data-shown", code)
    expect(cells.nth(1)).to_have_text(off)
    page.get_by_role("button", name=re.compile("Take back")).click()
    expect(live).to_have_attribute("data-shown", "")
    expect(cells.nth(1)).to_have_text(before)
    expect(page).not_to_have_url(re.compile("do="))


def test_what_a_link_says_is_done_or_refused_in_a_narrow_window(open_page: OpenPage, app_server: str) -> None:
    page = open_page(width=390, expected="422")
    page.goto(
        f"{app_server}/patching?clean={quote(CLEAN)}&corrupted={quote(CORRUPTED)}&{TINY}&on=corrupted"
        "&do=residual:0@1:patch"
    )
    live = page.locator("#patching-live")
    expect(live).to_have_attribute("data-shown", "residual:0@1:patch")
    expect(page.locator(".hs-why-token small.differs")).to_have_text("two")
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide == seen
    page.goto(f"{app_server}/patching?clean={quote(CLEAN)}&{TINY}&do=head:9.0:zero")
    expect(live.get_by_role("alert")).to_contain_text("There is no layer 9")
    expect(page.locator("#patching-bars")).to_contain_text("the model gave no answer")
    page.get_by_role("button", name="Clear").click()
    expect(live).to_have_attribute("data-shown", "")
    expect(page.locator("#patching-bars .hs-why-parts")).to_be_visible()


def test_prompts_of_unequal_length_say_what_to_do(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/patching?clean={quote(CLEAN)}&corrupted={quote(CORRUPTED + ' six')}&{TINY}")
    expect(page.locator("#patching-map-body [role=alert]")).to_contain_text("replace words")


def test_without_an_engine_the_page_says_so(page: Page, empty_server: str) -> None:
    page.goto(f"{empty_server}/patching")
    expect(page.locator("#patching-form-body")).to_contain_text("headscope serve")
    expect(page.locator("#patching-live")).to_contain_text("computes nothing")
    expect(page.locator("#patching-pairs-body")).to_contain_text("occupation_gender")


def saved(card: Locator, entry: str) -> Download:
    card.get_by_title("Download").click()
    with card.page.expect_download() as taken:
        card.get_by_role("menuitem", name=entry).click()
    card.page.keyboard.press("Escape")
    return taken.value


def lines(download: Download) -> list[dict[str, str]]:
    with open(download.path(), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def shown(number: str, digits: int = 4) -> str:
    """As the page writes numbers (dom.js), of those that need no exponent."""
    return f"{float(number):#.{digits}g}".replace("-", "\u2212")


def test_files_hold_the_answer_that_is_shown_and_ask_for_none(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/patching?clean={quote(CLEAN)}&target=%20two&foil=%20the&{TINY}&do=head:0.0:zero")
    live = page.locator("#patching-live")
    switches, parts, map_ = (page.locator(f"#patching-{name}") for name in ("switches", "parts", "map"))
    expect(live).to_have_attribute("data-shown", "head:0.0:zero")
    expect(parts.locator("button.hs-why-bar").first).to_be_visible()
    expect(map_).to_contain_text("second prompt")
    expect(map_.get_by_title("Download")).to_have_count(0)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    moved = lines(saved(switches, "CSV"))
    rows = switches.locator("tr[data-token]")
    assert [one["token"] for one in moved] == rows.evaluate_all("rows => rows.map((row) => row.dataset.token)")
    margin = switches.locator("[data-row=margin] td")
    assert margin.all_inner_texts()[:2] == [shown(moved[0]["margin_before"]), shown(moved[0]["margin_after"])]
    expect(switches.locator(".hs-said")).to_contain_text(f"next token is {shown(moved[0]['kl'], 3)} nats")
    assert {(one["interventions"], one["prompt"], one["target"]) for one in moved} == {("head:0.0:zero", CLEAN, " two")}
    added = lines(saved(parts, "CSV"))
    values = {f"L{one['layer']} H{one['head']}": one["value"] for one in added if one["component"] == "head"}
    bar = parts.locator("button.hs-why-bar", has_text=re.compile("H0")).first
    expect(bar.locator(".hs-num")).to_have_text(shown(values[bar.locator(".name").inner_text()], 3))
    total = sum(float(one["value"]) for one in added)
    assert abs(total - float(added[0]["total"])) <= abs(float(added[0]["off_by"])) + 1e-6
    assert {one["component"] for one in added} > {"head", "mlp"}
    assert "Elhage" in added[0]["method"]
    for kind, begins in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
        picture = saved(parts, kind)
        assert picture.suggested_filename == f"patching-parts.{kind.lower()}"
        assert Path(picture.path()).read_bytes().startswith(begins)
    assert [url for url in asked if not url.startswith("blob:")] == []


def test_the_map_is_saved_and_where_nothing_is_there_is_no_menu(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/patching")
    expect(page.locator("#patching-map-body")).to_contain_text("No prompts yet")
    expect(page.locator("#patching-live")).to_contain_text("Write a prompt above")
    expect(page.get_by_title("Download").locator("visible=true")).to_have_count(0)
    page.goto(f"{app_server}/patching?clean={quote(CLEAN)}&corrupted={quote(CORRUPTED)}&{TINY}")
    map_ = page.locator("#patching-map")
    expect(map_.locator(".heatmaplayer image")).to_be_attached()
    cells = lines(saved(map_, "CSV"))
    drawn = map_.locator(".js-plotly-plot").evaluate("plot => plot._fullData[0].z.map((row) => Array.from(row))")
    assert len(cells) == sum(map(len, drawn))
    for one in cells:
        assert abs(float(one["recovery"]) - drawn[int(one["layer"])][int(one["position"])]) < 1e-6
    assert saved(map_, "PNG").suggested_filename == "patching-map.png"
    expect(page.locator("#patching-switches-actions")).to_be_visible()
