"""The Regression page for a user: two experiments, a verdict, a rule more, the file, a flip and its two runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests.browser.conftest import serving
from tests.unit.dashboard.pages.test_regression_page import N, answered, keep


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two experiments, of which the second loses every answer."""
    with Store.open(str(tmp_path_factory.mktemp("browser") / "regression.duckdb")) as store:
        for name in ("before", "after"):
            keep(store, name, [answered(i, right=name == "before") for i in range(N)])
        with serving(Services(store)) as url:
            yield url


def test_two_experiments_are_compared_and_a_flip_leads_to_both_runs(page: Page, server: str) -> None:
    page.goto(f"{server}/")
    expect(page.get_by_role("region", name="Prompt sets")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("e")
    verdict, flips = page.locator("#regression-verdict"), page.locator("#regression-flips tbody tr")
    expect(verdict).to_contain_text("Choose a baseline and a candidate")
    for label, name in (("Baseline", "before"), ("Candidate", "after")):
        page.locator("#regression-scope summary", has_text=label).click()
        page.locator("#regression-scope details[open]").get_by_role("link", name=name).click()
    expect(page).to_have_url(re.compile("baseline=before&candidate=after"))
    expect(verdict.locator(".hs-regression-head")).to_contain_text("Fails: worse than the baseline")
    page.get_by_role("group", name="Rules").get_by_role("link", name="flips").click()
    expect(verdict).to_contain_text("nothing is known about detectors, bias")
    verdict.get_by_role("link", name="Leave out what was not measured").click()
    expect(verdict.locator(".hs-command code")).to_contain_text("--fail-on accuracy,target,toxicity,failed,flips")
    with page.expect_download() as taken:
        verdict.locator("summary[aria-label=Download]").click()
        verdict.get_by_role("menuitem", name="JSON").click()
    with open(taken.value.path()) as file:
        report = json.load(file)
    assert len(report["broken"]) == N
    expect(verdict.locator(".hs-regression-verdicts li")).to_have_count(len(report["verdicts"]))
    expect(page.locator("#regression-measures tbody tr")).to_have_count(len(report["changes"]))
    expect(flips).to_have_count(10)
    page.keyboard.press("j")
    expect(flips.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    first = report["broken"][0]
    expect(page).to_have_url(f"{server}/compare?a={first['baseline_run']}&b={first['candidate_run']}")
    page.go_back()
    expect(flips.first).to_be_visible()
