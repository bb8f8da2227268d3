"""What Plotly draws of texts that look like markup: ticks, titles, legends and hover texts, in the browser."""

from __future__ import annotations

import json

import numpy as np
import plotly.graph_objects as go
import pytest
from playwright.sync_api import Page, expect

from headscope.dashboard.figures.behaviour import Panel, distributions
from headscope.dashboard.figures.confidence import ConfidenceInfo, confidence_figure
from headscope.dashboard.figures.layers import formation_figure
from headscope.storage.repository import Store
from tests.browser.test_compare import run_ids
from tests.factories import make_result

TEXTS = ("<b>bold</b>", "&amp;", "a<br>b", "x < y & z")


@pytest.fixture
def plotting(page: Page, app_server: str, seeded_store: Store) -> Page:
    """A page that has Plotly."""
    run = run_ids(seeded_store, experiment="first", model="tiny-gpt2", status="succeeded")[0]
    page.goto(f"{app_server}/run?id={run}")
    expect(page.locator("#run-formation .js-plotly-plot").first).to_be_visible()
    return page


def draw(page: Page, figure: go.Figure) -> None:
    page.evaluate(
        """async (figure) => {
          const node = document.createElement("div");
          node.id = "drawn";
          node.style.cssText = "position: fixed; inset: 0; z-index: 99; width: 900px; height: 500px";
          document.body.append(node);
          await Plotly.newPlot(node, figure);
        }""",
        json.loads(figure.to_json()),
    )


def expect_hover(page: Page, curve: int, point: int, text: str) -> None:
    page.evaluate("(at) => Plotly.Fx.hover('drawn', [at])", {"curveNumber": curve, "pointNumber": point})
    expect(page.locator("#drawn .hoverlayer .hovertext")).to_contain_text(text)


def ticks_and_hover_texts_are_what_the_tokens_are(plotting: Page) -> None:
    n = len(TEXTS)
    figure = confidence_figure(ConfidenceInfo(TEXTS, np.arange(1.0, n + 1), np.ones(n), np.ones(n, np.int32), 1.0))
    draw(plotting, figure)
    expect(plotting.locator("#drawn .xtick text")).to_have_text(list(TEXTS))
    for index, text in enumerate(TEXTS):
        expect_hover(plotting, 0, index, f"{index} “{text}”")


def titles_and_series_are_what_they_are_named(plotting: Page) -> None:
    summary = make_result().layers
    assert summary is not None
    draw(plotting, formation_figure(summary, TEXTS[0]))
    expect(plotting.locator("#drawn .annotation-text").first).to_have_text(f"probability of “{TEXTS[0]}”")
    plotting.evaluate("document.getElementById('drawn').remove()")
    series = {name: np.arange(float(40 + index)) for index, name in enumerate(TEXTS)}
    draw(plotting, distributions([Panel("one", "bits", series)]))
    expect(plotting.locator("#drawn .legendtext")).to_have_text(list(TEXTS))
    expect_hover(plotting, 1, 3, f"{TEXTS[1]}: ")


def test_ticks_hover_texts_titles_and_series_are_what_they_are_named(plotting: Page) -> None:
    ticks_and_hover_texts_are_what_the_tokens_are(plotting)
    plotting.evaluate("document.getElementById('drawn').remove()")
    titles_and_series_are_what_they_are_named(plotting)
