"""Paired effects against hand calculations, scipy, and what chance alone must look like."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.statistics.effects import adjusted, paired_effect


def test_mean_and_size_are_those_of_a_hand_calculation() -> None:
    effect = paired_effect(np.array([1.0, 2.0, 3.0, 4.0, -1.0, np.nan]))
    assert (effect.n, effect.groups) == (5, 5)
    assert effect.mean == pytest.approx(1.8)
    assert effect.size == pytest.approx(1.8 / np.sqrt(3.7))  # squares about the mean: .64 + .04 + 1.44 + 4.84 + 7.84
    assert effect.positive == pytest.approx(0.8)


def test_exact_p_is_that_of_scipy() -> None:
    values = np.random.default_rng(3).normal(0.5, 1, 9)
    theirs = stats.permutation_test((values,), lambda x: x.mean(), permutation_type="samples", n_resamples=np.inf)
    assert paired_effect(values).p == pytest.approx(theirs.pvalue)


def test_random_flips_come_close_to_the_t_test() -> None:
    values = np.random.default_rng(4).normal(0.25, 1, 80)
    assert paired_effect(values).p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.01)


def test_the_interval_of_the_mean_is_near_students() -> None:
    values = np.random.default_rng(5).normal(2, 1, 200)
    effect = paired_effect(values)
    low, high = stats.t.interval(0.95, 199, values.mean(), stats.sem(values))
    assert (effect.low, effect.high) == pytest.approx((low, high), abs=0.02)
    assert effect.size_low < effect.size < effect.size_high


def test_a_template_filled_in_many_ways_is_one_observation() -> None:
    values = np.repeat(np.random.default_rng(6).normal(0.3, 1, 8), 20)
    alone, together = paired_effect(values), paired_effect(values, np.repeat(np.arange(8), 20).tolist())
    assert together.groups == 8
    assert together.mean == pytest.approx(alone.mean)
    assert together.p > 5 * alone.p
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_chance_alone_is_flagged_no_more_often_than_it_says() -> None:
    random = np.random.default_rng(7)
    tables = [[paired_effect(random.normal(0, 1, 10), draws=2).p for _ in range(10)] for _ in range(200)]
    flagged = np.mean([p <= 0.05 for table in tables for p in table])
    assert flagged <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
    any_marked = np.mean([(adjusted(table) <= 0.05).any() for table in tables])
    assert any_marked <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_adjusting_is_the_step_up_of_benjamini_and_hochberg() -> None:
    found = adjusted([0.01, np.nan, 0.04, 0.03, 0.5])
    assert np.isnan(found[1])
    assert found[[0, 2, 3, 4]] == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


@pytest.mark.parametrize("values", [[], [np.nan], [1.0, 2.0]])
def test_too_little_to_tell_is_nan(values: list[float]) -> None:
    effect = paired_effect(np.array(values, dtype=np.float64))
    assert np.isnan([effect.low, effect.high, effect.p]).all()


def test_equal_differences_have_no_size() -> None:
    effect = paired_effect(np.full(6, 0.3))
    assert np.isnan(effect.size)
    assert effect.p == pytest.approx(2 / 64)
