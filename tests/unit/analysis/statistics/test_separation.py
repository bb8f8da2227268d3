"""The area under the ROC curve of a sign, its interval, and what it gains over another sign."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from headscope.analysis.statistics.confidence import lens_instability
from headscope.analysis.statistics.separation import separation


def test_the_area_by_hand_and_by_scikit_learn() -> None:
    found = separation(np.array([3.0, 1.0, 2.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    assert found.area == pytest.approx((1 + 1 + 0 + 0.5) / 4)  # 3 over both, 1 under 2 and level with 1
    assert (found.wrong, found.right) == (2, 2)
    assert np.isnan([found.low, found.gain]).all()
    generator = np.random.default_rng(0)
    sign, right = generator.integers(0, 6, 300).astype(float), (generator.random(300) < 0.6).astype(float)
    assert separation(sign, right).area == pytest.approx(roc_auc_score(1 - right, sign))


def test_delongs_variances_are_near_the_bootstrap() -> None:
    generator = np.random.default_rng(1)
    right = (generator.random(200) < 0.5).astype(float)
    one = generator.normal(0, 1, 200) - right
    two = 0.6 * one + generator.normal(0, 1, 200)
    found = separation(one, right, two)
    drawn = []
    for _ in range(600):
        chosen = generator.integers(0, 200, 200)
        areas = [roc_auc_score(1 - right[chosen], sign[chosen]) for sign in (one, two)]
        drawn.append((areas[0], areas[0] - areas[1]))
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    assert (found.low, found.high) == pytest.approx((low[0], high[0]), abs=0.02)
    assert (found.gain_low, found.gain_high) == pytest.approx((low[1], high[1]), abs=0.02)


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_intervals_hold_the_truth(shift: float) -> None:
    """Normal signs: the true area is that of a standard normal at shift / sqrt 2; two equally good signs gain 0."""
    from scipy.stats import norm

    generator, truth, missed, misled = np.random.default_rng(2), norm.cdf(shift / np.sqrt(2)), 0, 0
    right = np.repeat([0.0, 1.0], (30, 50))
    for _ in range(600):
        common = generator.normal(0, 1, 80)
        one, two = (0.6 * common + 0.8 * generator.normal(0, 1, 80) + shift * (1 - right) for _ in range(2))
        found = separation(one, right, two)
        missed += not found.low <= truth <= found.high
        misled += not found.gain_low <= 0 <= found.gain_high
    assert 0.02 <= missed / 600 <= 0.075
    assert 0.02 <= misled / 600 <= 0.075


def test_a_perfect_sign_has_an_interval_with_width() -> None:
    found = separation(np.arange(20.0), (np.arange(20) < 10).astype(float))
    assert (found.area, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(1 - (1 - 0.05 ** (1 / 10)))
    assert np.isnan(separation(np.array([1.0]), np.array([1.0])).area)
    assert separation(np.array([1.0, np.nan, 2.0]), np.array([1.0, 0.0, 0.0])).area == 1.0


def test_lens_instability() -> None:
    assert lens_instability(np.array([9, 9, 1, 1])) == 0
    assert lens_instability(np.array([1, 1, 2, 1])) == 0.5
    assert np.isnan(lens_instability(np.empty(0)))
