"""The Run page over many methods: choosing them, their evidence, layers and heads, sources, other quantities."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.types import GenerationParams, Prompt, PromptSet
from headscope.dashboard.pages.run.heads import spearman
from headscope.dashboard.verdicts import SHOWN
from headscope.jobs.job import run_job
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store
from headscope.storage.rows import RunDetail, RunFilter
from tests.browser.conftest import OpenPage, computing
from tests.browser.visit import visit
from tests.browser.window import too_wide

METHODS = ("heads", "attention", "receipts", "saliency", "input_x_gradient", "layer_gradients", "head_ablation",
           "direct_logit_attribution", "occlusion")  # fmt: skip
NEXT, CONTINUED = "methods", "continued"


@pytest.fixture(scope="module")
def store(seeded_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One run with layers, heads, components and receipts; one that explains its continuation (`seeded_store` knows
    where the models are)."""
    prompt = Prompt("p", "the cat sat on the mat and the dog sat on the", target=" log", foil=" mat")
    prompts = PromptSet("one", "1", "MIT", "browser tests", "s" * 64, (prompt,))
    with Store.open(str(tmp_path_factory.mktemp("browser") / "methods.duckdb")) as opened:
        engine = InlineEngine()
        run_job(engine, opened, JobRequest(NEXT, "tiny-gpt2", prompts, METHODS))
        four, gradients = GenerationParams(max_new_tokens=4), ("saliency", "input_x_gradient")
        run_job(engine, opened, JobRequest(CONTINUED, "tiny-gpt2", prompts, gradients, generation=four,
                                           explain="continuation"))  # fmt: skip
        engine.close()
        yield opened


@pytest.fixture(scope="module")
def server(store: Store) -> Iterator[str]:
    with computing(store) as url:
        yield url


def run_of(store: Store, experiment: str) -> RunDetail:
    rows = store.runs_page(RunFilter()).rows
    return store.run(next(row.id for row in rows if row.experiment == experiment))


def opened(page: Page, server: str, run: RunDetail, query: str = "") -> Page:
    page.goto(f"{server}/run?id={run.row.id}{query}")
    expect(page.locator(f"#run-root[data-ready='{run.row.id}']")).to_be_visible()
    return page


def strips(page: Page) -> Locator:
    return page.locator("#run-attributions .hs-attr tbody tr")


def test_every_card_is_drawn_and_a_method_the_run_lacks_is_named(
    open_page: OpenPage, server: str, store: Store
) -> None:
    page = open_page("dark", width=900)
    opened(page, server, run_of(store, NEXT))
    for name in ("flow", "components", "looks"):
        expect(page.locator(f"#run-{name} canvas").first).to_be_visible()
    expect(strips(page)).to_have_count(4)  # saliency, gradient x input, layer gradients, occlusion
    expect(page.locator("#run-sources")).to_contain_text("--explain continuation")
    for width in (900, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert too_wide(page, "#shell-main") == []
    visit(page, f"/run?id={run_of(store, CONTINUED).row.id}&methods=attn_lrp")
    expect(page.locator(".hs-notes")).to_contain_text("attn_lrp")


def methods_are_chosen_in_a_menu_and_kept_in_the_link(page: Page) -> None:
    expect(strips(page)).to_have_count(2)
    page.locator(".hs-scope-menu summary").click()
    page.get_by_label("Gradient x input").check()
    expect(strips(page)).to_have_count(3)
    expect(page).to_have_url(re.compile("methods=saliency%2Cinput_x_gradient%2Cocclusion"))
    page.get_by_role("button", name="All", exact=True).click()
    expect(strips(page)).to_have_count(4)
    expect(page).not_to_have_url(re.compile("methods="))


def test_words_show_the_sum_of_signed_scores(page: Page, server: str, store: Store) -> None:
    run = run_of(store, NEXT)
    assert run.trace is not None
    scores = next(a.scores for a in run.attributions if a.method == "input_x_gradient")
    words = run.trace.tokens.words
    opened(page, server, run, "&methods=input_x_gradient&grain=word")
    cells = strips(page).locator("td span")
    expect(cells).to_have_count(len(np.unique(words)))
    shown = [float(text.replace("−", "-")) for text in cells.all_inner_texts()]
    expected = np.add.reduceat(scores.astype(np.float64), np.flatnonzero(np.r_[True, np.diff(words) != 0]))
    assert shown == pytest.approx(expected.tolist(), rel=0.06, abs=1e-6)
    page.locator("#run-attributions-controls").get_by_role("button", name="Sentences").click()
    expect(cells).to_have_count(1)
    assert float(cells.inner_text().replace("−", "-")) == pytest.approx(float(scores.sum()), rel=0.06, abs=1e-6)
    expect(page.locator(".hs-run-chip:not(.next)")).to_have_count(1)
    expect(page).to_have_url(re.compile("grain=sentence"))


def a_receipt_gives_its_verdict_and_opens_to_curves_and_numbers(page: Page, run: RunDetail) -> None:
    receipt = next(a.receipt for a in run.attributions if a.method == "occlusion")
    assert receipt is not None
    box = page.locator(".hs-receipt[data-method=occlusion]")
    expect(box.locator(".hs-receipt-test")).to_contain_text(receipt.verdict.value)
    chip = page.locator("#run-attributions tr[data-method=occlusion] .hs-attr-verdict")
    expect(chip).to_have_text(f" {SHOWN[receipt.verdict].chip}")
    expect(chip.locator("i.bi")).to_have_count(1)  # a sign: colour is not alone
    box.locator("summary").click()
    expect(box.locator(".hs-curve")).to_have_count(2)
    expect(box).to_contain_text(f"{receipt.gain:+.3f} nats".replace("-", "−"))
    drawn = box.locator(".hs-evidence .hs-receipt-gain")
    for part in receipt.removal:
        choice = box.get_by_role("group", name="Removed").get_by_role("button", name=part.masking, exact=True)
        choice.click()
        expect(choice).to_have_attribute("aria-pressed", "true")
        said = re.search(r"this ranking (−?[\d.e-]+)", drawn.get_attribute("aria-label") or "")
        assert said
        assert float(said[1].replace("−", "-")) == pytest.approx(part.gain, rel=0.06, abs=0.006)
        lowest = box.locator(".hs-curve").first.get_attribute("aria-label") or ""
        assert [float(value.replace("−", "-")) for value in re.findall(r"% (−?[\d.e-]+)", lowest)] == pytest.approx(
            part.deletion.tolist(), rel=0.006, abs=6e-4
        )
    heads = next(a.receipt for a in run.attributions if a.method == "head_ablation")
    assert heads is not None
    grid = page.locator(".hs-receipt[data-method=head_ablation]")
    expect(grid.locator(".hs-receipt-test")).to_contain_text(heads.verdict.value)
    expect(grid.locator(".hs-receipt-key").first).to_contain_text("last heads first")


def test_methods_are_chosen_and_a_receipt_opens(page: Page, server: str, store: Store) -> None:
    run = run_of(store, NEXT)
    opened(page, server, run, "&methods=saliency,occlusion")
    methods_are_chosen_in_a_menu_and_kept_in_the_link(page)
    a_receipt_gives_its_verdict_and_opens_to_curves_and_numbers(page, run)


def test_heads_switch_between_looks_and_effects_with_their_correlation_and_open_their_attention(
    page: Page, server: str, store: Store
) -> None:
    run = run_of(store, NEXT)
    assert run.heads is not None
    effect = next(a.scores for a in run.attributions if a.method == "head_ablation")
    written = next(a.scores for a in run.attributions if a.method == "direct_logit_attribution")[:, :-1]
    opened(page, server, run, "&looks=mean_distance&ablation=head_ablation")
    card = page.locator("#run-looks")
    expect(card.locator("h3").first).to_have_text("Looks: distance")
    verdict = card.locator(".hs-looks-verdict")
    expect(verdict).to_contain_text(f"over {effect.size} heads")
    found = re.search(r"size of the effect (−?[\d.e-]+)", verdict.inner_text())
    assert found
    expected = spearman(run.heads.mean_distance, np.abs(effect))
    assert float(found[1].replace("−", "-")) == pytest.approx(expected.rho, rel=0.06, abs=0.006)
    others = verdict.locator("dt")
    expect(others).to_have_text(["Direct logit attribution"])
    agreed = float(verdict.locator("dd").inner_text().split()[0].replace("−", "-"))
    assert agreed == pytest.approx(spearman(effect, written).rho, rel=0.06, abs=0.006)
    does = card.get_by_role("button", name="What it does")
    does.focus()
    page.keyboard.press("Enter")
    expect(does).to_be_focused()
    expect(card.locator("h3").first).to_have_text("Does: Head ablation")
    expect(card.locator("h3").nth(1)).to_have_text("Looks: distance")
    expect(page).to_have_url(re.compile("heads=does"))
    card.locator("canvas").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    facts = card.locator(".hs-grid-facts").first
    where = re.search(r"L(\d+) H(\d+)", facts.inner_text())
    assert where
    assert f"{effect[int(where[1]), int(where[2])]:.4g}"[:5].replace("-", "−") in facts.inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(f"#run-attention-slot[data-drawn='{where[1]}.{where[2]}']")).to_be_visible()
    page.keyboard.press("h")
    expect(card.locator("h3").first).to_have_text("Looks: distance")


WIDE_MAP = """() => {
  const grid = new headscope.Grid(), box = grid.canvas.parentElement, n = 400;
  const values = new Float32Array(n).fill(0.1), columns = Array.from(values, (_, i) => `${i}`);
  const view = { name: "wide", rows: ["0"], columns, values, limit: 1, hint: "" };
  const inside = (column) => {
    const x = grid.left + column * grid.w;
    return x >= box.scrollLeft && x + grid.w <= box.scrollLeft + box.clientWidth;
  };
  values[300] = -0.9;
  document.querySelector("#run-flow").append(grid.root);
  grid.root.style.width = "320px";
  grid.draw(view);
  const found = [inside(300)];
  box.scrollLeft = 0;
  found.push(box.scrollLeft);
  grid.draw(view);
  found.push(box.scrollLeft);
  grid.draw(view, { column: 150 });
  found.push(inside(150));
  grid.root.remove();
  return found;
}"""
"""A map wider than its card: whether it opens at its largest value, where it stays when scrolled and drawn again, and
whether another choice comes into sight."""


def test_a_cell_of_the_layer_map_gives_its_number_and_opens_layer_and_token(
    page: Page, server: str, store: Store
) -> None:
    run = run_of(store, NEXT)
    scores = next(a.layer_scores for a in run.attributions if a.method == "layer_gradients")
    assert scores is not None
    opened(page, server, run, "&pos=3")
    page.locator("#run-flow canvas").focus()
    page.keyboard.press("ArrowDown")
    facts = page.locator("#run-flow .hs-grid-facts")
    expect(facts).to_contain_text("token 3")
    value = float(re.search(r"(−?[\d.e-]+) nats", facts.inner_text())[1].replace("−", "-"))  # type: ignore[index]
    assert value == pytest.approx(float(scores[1, 3]), rel=1e-3, abs=1e-6)
    sums = page.locator(".hs-flow-totals li")
    expect(sums).to_have_count(len(scores))
    total = float(sums.nth(1).inner_text().replace("−", "-"))
    assert total == pytest.approx(float(np.nansum(scores[1].astype(np.float64))), rel=6e-3, abs=1e-6)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("pos=4"))
    opened_at_largest, scrolled, redrawn, chosen = page.evaluate(WIDE_MAP)
    assert opened_at_largest
    assert scrolled == redrawn == 0
    assert chosen


def test_a_click_on_a_generated_token_shows_its_sources(page: Page, server: str, store: Store) -> None:
    run = run_of(store, CONTINUED)
    assert run.trace is not None
    scores = next(a.scores for a in run.attributions if a.method == "input_x_gradient")
    n_prompt = len(run.trace.tokens)
    opened(page, server, run, "&methods=input_x_gradient")
    expect(page.locator("#run-sources canvas")).to_be_visible()
    for target in (0, 2):
        page.locator(f".hs-explained [data-gen='{target}']").click()
        cells = strips(page).locator("td")
        expect(cells).to_have_count(scores.shape[1])
        expect(cells.nth(n_prompt + target)).to_have_class(re.compile("unmeasured"))
        shown = float(cells.nth(n_prompt - 1).locator("span").inner_text().replace("−", "-"))
        assert shown == pytest.approx(float(scores[target, n_prompt - 1]), rel=0.06, abs=1e-6)
    expect(page).to_have_url(re.compile("gen=2"))


def test_the_foil_alone_is_computed_on_request_and_then_stored(page: Page, server: str, store: Store) -> None:
    run = run_of(store, NEXT)
    opened(page, server, run, "&methods=saliency")
    page.locator(".hs-explains summary").click()
    menu = page.locator(".hs-explains")
    menu.get_by_role("button", name="Logit").click()  # which leaves the menu open
    expect(menu.get_by_text("is the same number in log-probabilities")).to_be_visible()
    menu.get_by_role("button", name="Log-probability").click()
    titles = menu.locator(".hs-menu-title")
    expect(titles.first).to_have_text("Chosen against runner-up")
    expect(titles.nth(2)).to_have_text("All tokens together")
    menu.get_by_role("button", name="“␣mat” compute", exact=True).click()
    expect(page.locator(f"#run-root[data-ready]:not([data-ready='{run.row.id}'])")).to_be_visible()
    other = store.run(re.search(r"id=([^&]+)", page.url)[1])  # type: ignore[index]
    assert (other.row.text, other.row.target, other.row.foil) == (run.row.text, " mat", None)
    assert other.analyses == run.analyses
    expect(page).to_have_url(re.compile("methods=saliency"))
    page.locator(".hs-explains summary").click()
    expect(page.locator(".hs-explains").get_by_role("link", name="“␣log” − “␣mat” stored")).to_be_visible()


def test_arrays_that_cannot_be_read_are_said_and_the_rest_of_the_page_stands(
    open_page: OpenPage, server: str, store: Store
) -> None:
    page = open_page(expected="500")
    page.route("**/attributions.safetensors", lambda route: route.fulfill(status=500, json={"error": "disk gone"}))
    opened(page, server, run_of(store, NEXT))
    expect(page.locator("#run-flow-slot")).to_contain_text("could not be read: disk gone")
    expect(strips(page)).to_have_count(4)
