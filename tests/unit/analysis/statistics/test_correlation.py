"""Correlations and their intervals against scipy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.statistics.correlation import pearson, ranks, spearman


@pytest.mark.parametrize("n", [4, 30, 500])
@pytest.mark.parametrize("ties", [False, True])
def test_coefficients_and_intervals_are_scipys(n: int, ties: bool) -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=n)
    y = x + random.normal(size=n)
    if ties:
        x, y = np.round(x), np.round(y)
    found, asked = pearson(x, y), stats.pearsonr(x, y)
    assert found.value == pytest.approx(asked.statistic, abs=1e-12)
    assert (found.low, found.high) == pytest.approx(tuple(asked.confidence_interval(0.95)), abs=1e-9)
    np.testing.assert_array_equal(ranks(x), stats.rankdata(x))
    assert spearman(x, y).value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert spearman(x, y).n == n


def test_spearmans_interval_covers_as_often_as_it_says() -> None:
    """Of a normal pair with r = .6, whose Spearman coefficient is 6 / pi * asin(.3)."""
    random = np.random.default_rng(5)
    true, hits, tries = 6 / math.pi * math.asin(0.3), 0, 1500
    for _ in range(tries):
        x, y = random.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 60).T
        found = spearman(x, y)
        hits += found.low <= true <= found.high
    assert hits / tries == pytest.approx(0.95, abs=0.02)


def test_what_is_not_defined_is_nan() -> None:
    one = np.ones(9)
    for found in (pearson(one, np.arange(9.0)), spearman(np.arange(9.0), one), pearson(one[:1], one[:1])):
        assert math.isnan(found.value)
        assert math.isnan(found.low)
    three = np.array([1.0, 2.0, 4.0])
    assert pearson(three, three**2).value == pytest.approx(stats.pearsonr(three, three**2).statistic)
    assert math.isnan(pearson(three, three**2).low)
    holed = np.array([1.0, np.nan, 2.0, 3.0, np.inf])
    assert pearson(holed, np.arange(5.0)).n == 3


def test_a_perfect_line_has_no_width_and_large_numbers_do_not_overflow() -> None:
    x = np.arange(20.0)
    found = pearson(x, 3 * x)
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))
    assert pearson(x * 1e300, -x).value == pytest.approx(-1)
