"""Two models from sums over clusters: against scipy where prompts are alone, and how often the intervals are right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.statistics.calibration import calibration_error
from headscope.analysis.statistics.calibration_pairs import Cells, calibration_beside, edges_of, reliability
from headscope.analysis.statistics.model_pairs import Estimate, Moments, means, shares


def moments(
    clusters: np.ndarray, first: np.ndarray, second: np.ndarray, weights: tuple[np.ndarray, np.ndarray] | None = None
) -> Moments:
    one = np.ones(len(first))
    columns = (*(weights or (one, one)), first, second)
    sums = np.stack([np.bincount(clusters, column) for column in columns])
    turned = sums[3] - sums[2]
    return Moments(
        len(first), sums.shape[1], sums.sum(1), sums @ sums.T, int((turned > 0).sum()), int((turned < 0).sum())
    )


def cells(stated: list[np.ndarray], right: list[np.ndarray]) -> Cells:
    n = len(stated[0])
    edges = edges_of(n)
    size = len(edges) - 1
    bins = [np.searchsorted(edges[1:-1], np.argsort(np.argsort(p, kind="stable")), side="right") for p in stated]
    found = Cells(np.zeros((size, size), np.int64), np.zeros((2, size, size)), np.zeros((2, size, size), np.int64),
                  np.zeros((size, size), np.int64))  # fmt: skip
    at = (bins[0], bins[1])
    np.add.at(found.n, at, 1)
    np.add.at(found.both, at, (right[0] * right[1]).astype(np.int64))
    for side in (0, 1):
        np.add.at(found.stated[side], at, stated[side])
        np.add.at(found.right[side], at, right[side].astype(np.int64))
    return found


def holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def test_means_of_single_prompts_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 30), rng.normal(0.4, 2, 30)
    found = means(moments(np.arange(30), a, b))
    for estimate, values in ((found.first, a), (found.second, b), (found.difference, b - a)):
        ends = stats.ttest_1samp(values, 0).confidence_interval()
        assert (estimate.low, estimate.value, estimate.high) == pytest.approx((ends.low, values.mean(), ends.high))
    assert np.isnan(found.p)


def test_a_prompt_twice_in_a_pair_is_one_observation() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, 12), rng.normal(1, 1, 12)
    once = means(moments(np.arange(12), a, b)).difference
    twice = means(moments(np.repeat(np.arange(12), 2), np.repeat(a, 2), np.repeat(b, 2))).difference
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    says = (a > 0).astype(float), (b > 0).astype(float)
    once, twice = (shares(moments(np.repeat(np.arange(12), k), *(np.repeat(side, k) for side in says))).first
                   for k in (1, 2))  # fmt: skip
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


def test_few_prompts_and_none_have_no_interval() -> None:
    few = moments(np.arange(4), np.array([1.0, 0, 1, 1]), np.array([0.0, 0, 1, 0]))
    for found in (means(few), shares(few)):
        assert found.first.value == 0.75
        assert np.isnan([found.first.low, found.difference.high, found.p]).all()
    none = shares(Moments(0, 0, np.zeros(4), np.zeros((4, 4))))
    assert none.n == 0
    assert np.isnan(none.difference.value)
    assert calibration_beside(cells([np.empty(0)] * 2, [np.empty(0)] * 2)).n == 0


def test_nobody_turning_still_leaves_room_for_a_difference() -> None:
    ones = np.ones(20)
    found = shares(moments(np.arange(20), ones, ones))
    assert found.difference.low < -0.05
    assert found.difference.high > 0.05
    assert found.p == 1.0


@pytest.mark.parametrize(("groups", "per", "shared"), [(40, 1, 0.0), (40, 2, 0.5), (200, 2, 0.5)])
def test_intervals_hold_the_truth(groups: int, per: int, shared: float) -> None:
    """95 % ones, 400 times: 93 to 97 % but for the noise of 400 (three standard errors, 3.3 points)."""
    rng, clusters = np.random.default_rng([groups, per]), np.repeat(np.arange(groups), per)
    n, times, held = len(clusters), 400, np.zeros((3, 3))

    def drawn() -> np.ndarray:
        return np.sqrt(shared) * rng.normal(size=groups)[clusters] + np.sqrt(1 - shared) * rng.normal(size=n)

    for _ in range(times):
        common = drawn()
        a, b = (0.7 * common + np.sqrt(0.51) * drawn() for _ in range(2))
        lengths = rng.integers(30, 90, n).astype(float)
        cut = stats.norm.ppf(0.7)
        told = (
            (means(moments(clusters, a, b + 0.3)), (0.0, 0.3, 0.3)),
            (shares(moments(clusters, (a < 0).astype(float), (b < cut).astype(float))), (0.5, 0.7, 0.2)),
            (means(moments(clusters, lengths * (1.2 + 0.3 * a), (lengths + 2) * (1 + 0.3 * b), (lengths, lengths + 2))),
             (1.2, 1.0, -0.2)),
        )  # fmt: skip
        for place, (found, truth) in enumerate(told):
            held[place] += [
                holds(*one) for one in zip((found.first, found.second, found.difference), truth, strict=True)
            ]
    assert (held / times > 0.93 - 0.033).all(), held / times
    assert (held / times < 0.97 + 0.025).all(), held / times


def test_calibration_errors_are_those_of_single_prompts_and_a_calibrated_model_may_have_none() -> None:
    rng, held = np.random.default_rng(4), np.zeros(3)
    times, n = 60, 200
    for _ in range(times):
        base = rng.random(n)
        stated = [np.clip(base + 0.1 * rng.normal(size=n), 0.02, 0.98) for _ in range(2)]
        truth = [stated[0], 0.7 * stated[1]]
        right = [(rng.random(n) < share).astype(float) for share in truth]
        found = cells(stated, right)
        both = calibration_beside(found, draws=300)
        for curve, p, known in zip(reliability(found), stated, right, strict=True):
            other = calibration_error(p, known)
            assert curve.error == pytest.approx(other.error)
            np.testing.assert_allclose(curve.observed_high, other.observed_high)
        # the second states .3 too much of every probability: its error is .3 of their mean
        real = 0.3 * stated[1].mean()
        held += [holds(both.first, 0.0), holds(both.second, real), holds(both.difference, real)]
    assert (held / times > (0.85, 0.8, 0.87)).all(), held / times  # as docs say, less what 60 times may be off
