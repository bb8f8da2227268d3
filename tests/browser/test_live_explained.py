"""The leave-one-out of the Live page, which comes after attention and candidates."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

from playwright.sync_api import Error, Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.browser.live_page import DRAWN, TEXT, open_live, painted


def hold(page: Page, path: str) -> list[Route]:
    """Requests to `path` wait in the list that is returned."""
    held: list[Route] = []
    page.route(f"**/api/v1/live{path}", lambda route: held.append(route))  # noqa: PLW0108 - not a builtin
    return held


def test_attention_is_drawn_before_the_explanation_is_there(page: Page, app_server: str) -> None:
    held = hold(page, "/explanation")
    page.goto(f"{app_server}/live?model=tiny-gpt2&text={quote(TEXT)}&colour=occlusion")
    with page.expect_request("**/api/v1/live/explanation"):
        expect(page.locator("#live-root[data-drawn]")).to_be_visible()
    assert painted(page) > 4
    expect(page.locator("#live-candidates li")).to_have_count(10)
    says = page.locator("#live-explained")
    expect(says).to_have_attribute("aria-busy", "true")
    expect(says).to_contain_text("Leaving out one token at a time …")
    expect(page.locator("#live-strips")).to_contain_text("computing …")
    expect(page.locator("#live-root[data-explained]")).to_have_count(0)
    held[0].continue_()
    expect(page.locator(DRAWN)).to_be_visible()
    expect(says).to_have_attribute("aria-busy", "false")
    expect(says).to_contain_text("stand in for each other both score low")
    assert page.locator("#live-strips svg rect:is(.positive, .negative)").count() > 0
    scores = page.evaluate("headscope.live.page.result.explained.scores.map(Number.isNaN)")
    assert scores == [True] + [False] * (len(scores) - 1)


def test_an_explanation_of_an_older_text_is_dropped(page: Page, app_server: str) -> None:
    held = hold(page, "/explanation")
    page.goto(f"{app_server}/live?model=tiny-gpt2&text={quote('number one')}")
    with page.expect_request("**/api/v1/live/explanation"):
        expect(page.locator("#live-root[data-drawn]")).to_be_visible()
    with page.expect_request(
        lambda request: "number two" in (request.post_data or "") and "first" in request.post_data
    ):
        page.locator("#live-text").fill("number two")
    with suppress(Error):  # the page has given it up
        held[0].fulfill(json={"scores": [9, 9], "first": 0, "stop": 1, "units": 1, "error": None})
    held[1].continue_()
    expect(page.locator(DRAWN)).to_be_visible()
    assert "".join(page.evaluate("headscope.live.page.result.facts.tokens")) == "number two"
    assert 9 not in page.evaluate("headscope.live.page.result.explained.scores")


def test_what_is_left_out_and_what_takes_its_place_can_be_changed(page: Page, app_server: str) -> None:
    open_live(page, app_server)

    def scores() -> list[float]:
        found: list[float] = page.evaluate("headscope.live.page.result.explained.scores.slice(1)")
        return found

    before = scores()
    for choice, says in (("delete", "later tokens move up"), ("token", "line break"), ("word", "without this word")):
        page.locator(f"#live-removal [data-value={choice}]").last.click()
        expect(page.locator("#live-explained")).to_contain_text(says)
        expect(page.locator(DRAWN)).to_be_visible()
        assert scores() != before
        before = scores()


def test_an_explanation_that_fails_leaves_the_rest(open_page: OpenPage, app_server: str) -> None:
    page = open_page(expected="422")
    page.route(
        "**/api/v1/live/explanation",
        lambda route: route.fulfill(status=422, json={"error": "out of memory", "kind": ""}),
    )
    open_live(page, app_server)
    expect(page.locator("#live-strips")).to_contain_text("Out of memory")
    assert painted(page) > 4


def test_a_long_text_is_explained_when_asked_for(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/live")
    expect(page.locator("#live-model")).to_be_enabled()
    page.evaluate("headscope.live.Explain.long = 5")
    page.select_option("#live-model", "tiny-gpt2")
    page.locator("#live-text").fill(TEXT)
    button = page.locator("#live-explained button")
    expect(button).to_be_visible()
    expect(page.locator("#live-strips")).to_contain_text("not computed yet")
    button.click()
    expect(page.locator("#live-explained[data-state=done]")).to_be_visible()
    page.locator("#live-removal [data-value=delete]").click()  # asked once is asked for this text
    expect(page.locator("#live-explained[data-state=done]")).to_contain_text("move up")
