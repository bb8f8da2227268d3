"""The numbers of the Methods page over stored runs, against scipy and the bootstrap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.statistics.agreement import agreements
from headscope.analysis.statistics.intervals import bootstrap_means
from headscope.dashboard.pages.methods.comparison import Comparisons
from headscope.dashboard.pages.methods.gains import Gain, Scale, intervals, of, scale
from headscope.dashboard.pages.methods.query import MethodsQuery
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests import method_runs
from tests.methods_page import ONE_MODEL


def test_a_comparison_is_the_mean_over_prompts_of_what_scipy_says(services: Services) -> None:
    comparison = Comparisons(services.store).of(ONE_MODEL)
    assert (len(comparison.runs), comparison.total) == (24, 24)
    assert comparison.methods == ("saliency", "input_x_gradient", "integrated_gradients", "attn_lrp", "cp_lrp")
    a, b = comparison.index(["attn_lrp", "integrated_gradients"])
    expected = []
    for run in comparison.runs:
        if "integrated_gradients" in run.scores:
            one, other = run.scores["attn_lrp"], run.scores["integrated_gradients"]
            both = np.isfinite(one) & np.isfinite(other)
            expected.append(stats.kendalltau(np.abs(one[both]), np.abs(other[both])).statistic)
    assert 0 < len(expected) < 24
    assert comparison.tau.n[a, b] == len(expected)
    assert comparison.tau.mean[a, b] == pytest.approx(np.mean(expected))
    assert comparison.tau.low[a, b] < np.mean(expected) < comparison.tau.high[a, b]
    assert np.isnan(comparison.signs.mean[0]).all()  # saliency has no signs


def test_methods_that_see_through_less_noise_agree_more(services: Services) -> None:
    comparison = Comparisons(services.store).of(ONE_MODEL)
    saliency, gradient, _, attn, cp = range(5)
    for name in ("tau", "overlap"):
        mean = comparison.measure(name).mean
        assert mean[attn, cp] > mean[attn, gradient] > mean[attn, saliency]


def test_a_comparison_is_worked_out_once_per_filter(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        "headscope.analysis.statistics.agreement.agreements",
        lambda scores, *more: calls.append(len(scores)) or agreements(scores, *more),
    )
    comparisons = Comparisons(store)
    comparisons.of(ONE_MODEL)
    assert sum(calls) == 24
    comparisons.of(replace(ONE_MODEL, measure="signs", pair="a,b", hide=("saliency",), by="set", method="attn_lrp"))
    assert sum(calls) == 24
    comparisons.of(replace(ONE_MODEL, k=5))
    assert sum(calls) == 48


def test_scale_of_the_gains_has_zero_on_it() -> None:
    found = scale([Gain(2, 1, 3), Gain(1)])
    assert (found.low, found.high) == (0, 3)
    assert Scale(-1, 3).place(0) == "25.00%"
    assert scale([]).place(0) == "0.00%"


def test_intervals_of_gains_are_the_bootstraps_over_prompts(tmp_path: Path) -> None:
    made = method_runs.results(24, seed=600)
    made = [replace(one, prompt=replace(one.prompt, pair_id=f"pair {i // 2}")) for i, one in enumerate(made)]
    query = MethodsQuery(experiment="paired")
    with Store.open(str(tmp_path / "p.duckdb")) as store:
        method_runs.save(store, "paired", made)
        row = next(row for row in store.method_stats(query.where()) if row.method == "attn_lrp")
        found = of(intervals(store.method_gains(query.where())), row)
    gains = [item.receipt.gain for one in made for item in one.attributions if item.method == "attn_lrp"]
    whole = bootstrap_means(np.array(gains)[:, None], [i // 2 for i in range(24)])
    assert found["over_random"].mean == pytest.approx(row.over_random) == pytest.approx(whole.mean[0] - 0.05)
    width = whole.high[0] - whole.low[0]
    ends = np.array([[found[name].low, found[name].high] for name in ("over_random", "over_recency")])
    assert ends[0] == pytest.approx([whole.low[0] - 0.05, whole.high[0] - 0.05], abs=0.1 * width)
    assert ends[0] - ends[1] == pytest.approx([0.45, 0.45])
