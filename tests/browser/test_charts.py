"""The Charts page as a user meets it: from a filtered list of runs to a chart, and from a bar back to its runs."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from headscope.storage.repository import Store
from headscope.storage.rows import Condition
from tests.browser.conftest import OpenPage
from tests.browser.runs_page import COUNT, open_runs, shown, total


def test_from_a_filtered_list_to_a_chart_and_back_to_the_runs_of_a_bar(
    open_page: OpenPage, app_server: str, seeded_store: Store
) -> None:
    page = open_page("dark")
    open_runs(page, app_server, "?experiment=first&status=succeeded")
    page.locator("#runs-charts").click()
    expect(page).to_have_url(f"{app_server}/charts?status=succeeded&experiment=first")
    expect(page.locator("#charts-chips .hs-chip")).to_have_count(2)
    mine = total(
        seeded_store, Condition("experiment", "eq", "first"), Condition("status", "eq", "succeeded")
    )  # fmt: skip
    card = page.locator("#charts-card")
    expect(card.locator("tbody td.num").first).to_have_text(f"{mine:,}")
    page.locator("#charts-bar").get_by_role("link", name="Scatter").click()
    expect(page).to_have_url(re.compile("kind=scatter"))
    expect(card).to_contain_text("Spearman")
    page.go_back()
    bar = card.locator(".js-plotly-plot .bars .point path").first
    expect(bar).to_be_attached()
    box = max((one.bounding_box() for one in card.locator(".bars .point path").all()),
              key=lambda box: box["height"] if box else 0)  # fmt: skip
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"/runs\?.*f=mean_surprisal:between:"))
    low, high = re.findall(r"between:([\d.]+)\.\.([\d.]+)", page.url)[0]
    nats = 0.6931471805599453
    inside = Condition("mean_surprisal", "between", (float(low) * nats, float(high) * nats))
    narrowed = (Condition("experiment", "eq", "first"), Condition("status", "eq", "succeeded"), inside)
    count = total(seeded_store, *narrowed)
    assert count
    expect(page.locator(COUNT)).to_have_text(shown(count))
