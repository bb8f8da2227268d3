"""The Compare page over stored runs of two tiny models."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter
from tests.browser.conftest import OpenPage

UNITS = "#compare-surprisal .hs-unit:not(.hs-unit-names):not(.hs-unit-fold)"


def run_ids(store: Store, **columns: str) -> list[str]:
    where = RunFilter(tuple(Condition(name, "eq", value) for name, value in columns.items()))
    return [row.id for row in sorted(store.runs_page(where).rows, key=lambda row: row.prompt_key)]


@pytest.fixture(scope="session")
def two_texts(seeded_store: Store) -> list[str]:
    """Two prompts read by one model."""
    return run_ids(seeded_store, experiment="first", model="tiny-gpt2", status="succeeded")[:2]


@pytest.fixture(scope="session")
def two_models(seeded_store: Store) -> list[str]:
    """One prompt read by two models."""
    return [
        run_ids(seeded_store, experiment="first", model=model, status="succeeded")[0]
        for model in ("tiny-gpt2", "tiny-llama")
    ]


def open_compare(page: Page, server: str, a: str, b: str, more: str = "") -> None:
    page.goto(f"{server}/compare?a={a}&b={b}{more}")
    expect(page.locator("#compare-attention .hs-attn-over").nth(2)).to_be_visible()
    expect(page.locator("#compare-heads .hs-grid-canvas").nth(1)).to_be_visible()


def numbers(page: Page, selector: str) -> list[float]:
    texts = [text.replace("−", "-").replace("+", "") for text in page.locator(selector).all_inner_texts()]
    return [float(text) for text in texts if re.fullmatch(r"-?[\d.]+", text)]


def one_text_on_two_models(page: Page) -> None:
    expect(page.locator("#compare-facts")).to_contain_text("tiny-llama")
    expect(page.locator("#compare-candidates")).to_contain_text("because the tokenizers differ")
    lens = page.locator("#compare-lens")
    lens.locator("canvas").first.focus()
    page.keyboard.press("ArrowRight")
    expect(lens.get_by_role("status")).to_contain_text("After layer 0")
    lens.get_by_text("The numbers as a table").click()
    expect(lens.locator("tbody tr").first.locator("td").first).to_have_text(re.compile("%"))
    expect(page.locator("#compare-attention")).to_contain_text("pooled into units")
    columns = page.locator(UNITS)
    for index in range(1, min(columns.count(), 6)):
        a, b, delta = (numbers(page, f"{UNITS} >> nth={index} >> .hs-cell:nth-child({row}) .n") for row in (1, 2, 3))
        if a and b:
            assert delta[0] == pytest.approx(a[0] - b[0], abs=0.11)


def two_texts_on_one_model_show_what_changed_first(page: Page) -> None:
    expect(page.locator("#compare-changed")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#compare-facts")).not_to_contain_text("Tokenizer")
    expect(page.locator("#compare-facts .hs-compare-warning")).to_have_count(0)
    page.locator("#compare-changed").click()
    expect(page).to_have_url(re.compile("all=1"))
    expect(page.locator("#compare-facts")).to_contain_text("Tokenizer")


def test_a_run_compared_with_itself_agrees_in_everything(page: Page, app_server: str, two_texts: list[str]) -> None:
    open_compare(page, app_server, two_texts[0], two_texts[0])
    expect(page.locator("#compare-facts")).to_contain_text("agree in everything")
    expect(page.locator("#compare-surprisal .hs-unit-fold")).to_have_count(1)
    expect(page.locator("#compare-candidates")).to_contain_text("agree to within")


def heads_are_chosen_together_or_apart(page: Page) -> None:
    page.select_option("#compare-param-la", "0")
    expect(page).to_have_url(re.compile("la=0"))
    expect(page.locator("#compare-attention figcaption").nth(1)).to_contain_text("layer 0")
    page.locator("#compare-attention").get_by_text("Choose another head for B").click()
    page.select_option("#compare-param-hb", "3")
    expect(page.locator("#compare-attention figcaption").nth(1)).to_contain_text("head 3")
    page.locator("h1").click()
    page.keyboard.press("]")
    expect(page.locator("#compare-attention figcaption").nth(0)).to_contain_text("layer 1")
    page.locator("#compare-attention").get_by_text("Same head on both sides").click()
    expect(page.locator("#compare-attention figcaption").nth(1)).to_contain_text("layer 1")


def a_click_on_the_head_map_opens_that_head(page: Page) -> None:
    """From layer 0, head 0."""
    maps = page.locator("#compare-heads .hs-compare-map")
    difference = maps.nth(2).locator("canvas")
    expect(difference).to_have_attribute("aria-label", re.compile("A − B.*Arrow keys read cells, Enter selects"))
    difference.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):  # from the framed head
        page.keyboard.press(key)
    expect(maps.nth(2)).to_contain_text("Head L2 H1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("la=2&ha=1"))
    expect(page.locator("#compare-attention figcaption").nth(1)).to_contain_text("layer 2, head 1")
    difference.click()  # in its middle, wherever that is when it was drawn for the head just chosen
    expect(page).to_have_url(re.compile("la=1&ha=[12]"))
    expect(page.locator("#compare-attention figcaption").nth(1)).to_contain_text("layer 1")


def swap_and_pin(page: Page, app_server: str, a: str, b: str) -> None:
    page.locator("#compare-swap").click()
    expect(page).to_have_url(re.compile(f"a={b}&b={a}"))
    page.locator("#compare-pin").click()
    expect(page.locator("#compare-pin")).to_have_attribute("aria-pressed", "true")
    page.goto(f"{app_server}/compare?b={a}")
    expect(page).to_have_url(re.compile(f"a={b}"))
    expect(page.locator("#compare-surprisal .hs-units")).to_be_visible()


def test_two_texts_on_one_model_what_changed_their_heads_swapped_and_pinned(
    page: Page, app_server: str, two_texts: list[str]
) -> None:
    open_compare(page, app_server, *two_texts, "&la=0&ha=0")
    two_texts_on_one_model_show_what_changed_first(page)
    a_click_on_the_head_map_opens_that_head(page)
    heads_are_chosen_together_or_apart(page)
    swap_and_pin(page, app_server, *two_texts)


def test_runs_are_found_by_text_and_experiment(page: Page, app_server: str, two_models: list[str]) -> None:
    page.goto(f"{app_server}/compare?a={two_models[0]}")
    expect(page.locator("#compare-pickers")).to_contain_text("Choose two runs")
    page.locator("#compare-pick-b summary").click()
    expect(page.locator("#compare-found-b")).to_contain_text("Goes with the other run")
    page.locator("#compare-search-b").fill("second")
    found = page.locator("#compare-found-b .hs-pick-run", has_text="second").first
    expect(found).to_be_visible()
    page.locator("#compare-search-b").fill("")
    page.locator("#compare-found-b .hs-pick-run", has_text="tiny-llama").first.click()
    expect(page).to_have_url(re.compile(f"b={two_models[1]}"))
    expect(page.locator("#compare-surprisal .hs-units")).to_be_visible()


def test_runs_with_nothing_to_compare_say_why(
    page: Page, app_server: str, seeded_store: Store, two_texts: list[str]
) -> None:
    failed = run_ids(seeded_store, status="failed", error_kind="empty")[0]
    page.goto(f"{app_server}/compare?a={two_texts[0]}&b={failed}")
    expect(page.locator("#compare-facts")).to_contain_text("Run B failed and has no measurements")
    expect(page.locator("#compare-surprisal")).to_be_hidden()
    partial = run_ids(seeded_store, experiment="second", status="succeeded")[0]
    page.goto(f"{app_server}/compare?a={two_texts[0]}&b={partial}")
    expect(page.locator("#compare-attention")).to_contain_text("Run B has no stored attention pattern")
    expect(page.locator("#compare-lens")).to_contain_text("Run B has no top token of each layer")
    expect(page.locator("#compare-surprisal .hs-units")).to_be_visible()
    page.goto(f"{app_server}/compare?a={two_texts[0]}&b=no-such-run")
    expect(page.locator("#compare-pickers")).to_contain_text("There is no run no-such-run")


def the_link_is_the_whole_state(page: Page) -> None:
    page.select_option("#compare-param-method", "input_x_gradient")
    page.locator("#compare-scores [data-compare-set='scale=raw']").click()
    page.locator("#compare-surprisal [data-compare-set='unit=nats']").click()
    page.select_option("#compare-param-stat", "induction")
    expect(page).to_have_url(re.compile("stat=induction"))
    url = unquote(page.url)
    assert "method=input_x_gradient" in url
    assert "scale=raw" in url
    page.goto(page.url)
    expect(page.locator("#compare-param-method")).to_have_value("input_x_gradient")
    expect(page.locator("#compare-surprisal")).to_contain_text("nats")


def test_one_text_on_two_models_and_its_link(page: Page, app_server: str, two_models: list[str]) -> None:
    open_compare(page, app_server, *two_models, "&all=1")
    one_text_on_two_models(page)
    the_link_is_the_whole_state(page)


def test_a_control_drawn_anew_under_the_pointer_is_pressed(page: Page, app_server: str, two_models: list[str]) -> None:
    open_compare(page, app_server, *two_models)
    control = page.locator("#compare-scores [data-compare-set='scale=raw']")
    control.scroll_into_view_if_needed()
    old, box = control.element_handle(), control.bounding_box()
    assert old is not None
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.evaluate("headscope.url.replace('/compare', location.search + '&method=input_x_gradient')")
    page.wait_for_function("node => !node.isConnected", arg=old)
    expect(control).to_be_visible()
    page.mouse.up()
    expect(page).to_have_url(re.compile("scale=raw"))
    assert "method=input_x_gradient" in page.url


@pytest.fixture(scope="session")
def many(seeded_store: Store) -> list[str]:
    """Prompts read by both models: more than two runs, two tokenizers."""
    return [
        id_
        for model in ("tiny-gpt2", "tiny-llama")
        for id_ in run_ids(seeded_store, experiment="first", model=model, status="succeeded")[:2]
    ]


def test_many_runs_are_compared_word_by_word(open_page: OpenPage, app_server: str, many: list[str]) -> None:
    page = open_page("dark")
    open_compare(page, app_server, many[0], many[1], f"&more={','.join(many[2:])}")
    card = page.locator("#compare-across")
    rows = card.locator("tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.first.locator("td").nth(1)).to_have_text("0")  # A from itself
    summary = page.locator("#compare-summary")
    expect(summary.locator("tbody tr")).to_have_count(4)
    expect(summary.locator("tbody tr").first.locator("td").nth(4)).to_contain_text("0.000")
    first = page.locator("#compare-cards > section").first
    expect(first).to_have_attribute("id", "compare-summary")
    with page.expect_download() as saved:
        summary.get_by_title("Download").click()
        summary.get_by_role("menuitem", name="Every word, CSV").click()
    assert saved.value.suggested_filename == "headscope-compare-words.csv"
    card.locator("canvas").focus()
    page.keyboard.press("ArrowRight")
    expect(card.get_by_role("status")).to_contain_text("known on both sides")
    expect(card).to_contain_text("matched by their text")
    for measure in ("Surprisal", "Attribution", "Attention", "Logit lens"):
        card.get_by_role("button", name=measure).click()
        expect(card.locator(".hs-grid-canvas")).to_be_visible()
        expect(page).to_have_url(re.compile(f"across={measure.lower().split()[-1]}"))
    card.get_by_role("button", name="minus A").click()
    expect(card).to_contain_text("Each row minus that of A.")


def test_every_card_that_is_drawn_downloads_as_a_picture(page: Page, app_server: str, two_texts: list[str]) -> None:
    open_compare(page, app_server, *two_texts)
    for name in ("across", "surprisal", "candidates", "lens", "scores", "attention", "heads"):
        card = page.locator(f"#compare-{name}")
        for kind in ("SVG", "PNG"):
            card.get_by_title("Download").click()
            with page.expect_download() as saved:
                card.get_by_role("menuitem", name=kind).click()
            assert saved.value.suggested_filename == f"compare-{name}.{kind.lower()}"
            contents = Path(saved.value.path()).read_bytes()
            if kind == "PNG":
                assert contents.startswith(b"\x89PNG")
                continue
            drawing = "".join(ElementTree.fromstring(contents.decode()).itertext())
            assert "tiny-gpt2" in drawing  # which runs it is of
    facts = page.locator("#compare-facts")
    expect(facts).to_contain_text("margin")
    expect(facts.get_by_title("Download")).to_have_count(0)


def test_runs_are_added_and_left_out(page: Page, app_server: str, many: list[str]) -> None:
    open_compare(page, app_server, many[0], many[1])
    expect(page.locator("#compare-across tbody tr")).to_have_count(2)
    page.locator("#compare-pick-more summary").click()
    page.locator("#compare-pick-more .hs-pick-run").first.click()
    expect(page.locator("#compare-across tbody tr")).to_have_count(3)
    expect(page).to_have_url(re.compile("more="))
    page.get_by_role("button", name="Leave out C").click()
    expect(page.locator("#compare-across tbody tr")).to_have_count(2)
    expect(page).not_to_have_url(re.compile("more="))


def test_three_rows_selected_among_the_runs_open_their_comparison(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/runs?status=succeeded")
    boxes = page.locator(".ag-row .ag-checkbox-input")
    for index in range(3):
        boxes.nth(index).click()
    expect(page).to_have_url(re.compile(r"sel=.*&sel=.*&sel="))
    expect(page.get_by_text("3 selected", exact=True)).to_be_visible()
    page.locator("#runs-compare").click()
    expect(page.locator("#compare-across tbody tr")).to_have_count(3)


def test_a_tick_that_meets_an_older_answer_stays(page: Page, app_server: str) -> None:
    """The address of two ticks comes back in the very moment of the third."""
    page.goto(f"{app_server}/runs?status=succeeded")
    boxes = page.locator(".ag-row .ag-checkbox-input")
    expect(boxes.nth(2)).to_be_visible()
    page.evaluate(
        """() => {
          const runs = dash_clientside.headscope_runs, sync = runs.sync;
          runs.sync = (state) => {
            if (state.selected.length < 2) return sync(state);
            runs.sync = sync;
            document.querySelectorAll(".ag-row .ag-checkbox-input")[2].click();
            return sync(state);
          };
        }"""
    )
    boxes.nth(0).click()
    boxes.nth(1).click()
    expect(page).to_have_url(re.compile(r"sel=.*&sel=.*&sel="))
    expect(page.locator(".ag-row .ag-checkbox-input:checked")).to_have_count(3)


@pytest.mark.own_page
def test_rows_still_loading_offer_nothing_to_tick(page: Page, app_server: str) -> None:
    """A tick on a row without data is refused by the grid: it would be lost."""

    page.add_init_script(
        """const send = window.fetch, open = new Promise((done) => { window.letRowsCome = done; });
        window.fetch = async (url, options) => {
          if (String(options?.body).includes("getRowsResponse")) await open;
          return send(url, options);
        };"""
    )
    page.goto(f"{app_server}/runs?status=succeeded")
    expect(page.locator(".ag-row.hs-row-waiting").first).to_be_visible()
    expect(page.locator(".hs-row-waiting .ag-checkbox-input").first).not_to_be_visible()
    page.evaluate("window.letRowsCome()")
    page.locator(".ag-row:not(.hs-row-waiting) .ag-checkbox-input").first.click()
    expect(page).to_have_url(re.compile(r"sel="))
