"""Two sets of runs in one measure: prompt by prompt, or as two groups of prompts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.statistics.answers import has_answer
from headscope.analysis.statistics.series import Sample, paired, unpaired


def sample(
    values: list[float] | np.ndarray, keys: list[str] | None = None, clusters: list[str] | None = None
) -> Sample:
    names = keys or [str(i) for i in range(len(values))]
    return Sample(np.asarray(values, dtype=np.float64), names, clusters or names)


def test_pairs_are_matched_by_their_key_and_repeats_are_one() -> None:
    a = sample([1.0, 3.0, 7.0, 9.0], ["x", "x", "y", "only"], ["x", "x", "y", "only"])
    b = sample([1.0, 2.0, np.nan], ["x", "y", "only"])
    found = paired(a, b)
    assert (found.mean, found.n, found.clusters, found.paired) == (3.0, 2, 2, True)  # (2 - 1 and 7 - 2) / 2
    assert np.isnan([found.low, found.high, found.p]).all()
    assert paired(a, sample([1.0], ["nobody"])).n == 0


def test_paired_p_is_the_exact_one_of_scipy() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.normal(0.4, 1, 10), generator.normal(0, 1, 10)
    exact = stats.permutation_test((a - b,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert paired(sample(a), sample(b)).p == pytest.approx(exact)


def test_two_groups_are_near_welch() -> None:
    generator = np.random.default_rng(2)
    a, b = generator.normal(0.5, 1, 60), generator.normal(0, 2, 60)
    found = unpaired(sample(a), sample(b, [f"b{i}" for i in range(60)]))
    welch = stats.ttest_ind(a, b, equal_var=False)
    ends = welch.confidence_interval()
    assert found.mean == pytest.approx(a.mean() - b.mean())
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=0.1)
    assert found.p == pytest.approx(welch.pvalue, abs=0.02)
    assert (found.n, found.clusters, found.paired) == (120, 120, False)


def test_what_belongs_together_counts_once() -> None:
    values = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 10)
    names = [str(i) for i in np.repeat(range(5), 10)]
    keys = [str(i) for i in range(50)]
    whole = unpaired(Sample(values, keys, names), Sample(values + 1, keys, names))
    single = unpaired(Sample(values, keys, keys), Sample(values + 1, keys, keys))
    assert whole.clusters == 10
    assert whole.high - whole.low > 2 * (single.high - single.low)
    assert np.isnan(unpaired(sample([1.0, 2.0]), sample([3.0] * 9)).p)
    assert unpaired(sample([np.nan]), sample([1.0])).n == 1


def test_intervals_hold_the_truth_and_chance_is_flagged_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    missed = flagged = 0
    for seed in range(300):
        a, b = generator.exponential(1, 40), generator.exponential(1, 60)
        found = unpaired(sample(a), sample(b), draws=400, seed=seed)
        missed += not found.low <= 0 <= found.high
        flagged += found.p < 0.05
    assert 0.02 <= missed / 300 <= 0.08
    assert flagged / 300 <= 0.08


def test_the_target_of_a_pair_about_people_is_no_right_answer() -> None:
    asked = [(" he", "nurse"), (" Paris", None), (None, None), (" is", "negative"), (" 4", "paraphrase 2")]
    assert [has_answer(*one) for one in asked] == [False, True, False, True, True]
