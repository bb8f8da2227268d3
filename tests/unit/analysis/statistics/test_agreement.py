"""How far methods agree: against scipy, and cases worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.statistics.agreement import agreement, agreements, dispute, disputes, top_share

NAN = float("nan")


def test_tau_is_scipys_also_with_ties_and_unmeasured_positions() -> None:
    rng = np.random.default_rng(3)
    scores = rng.integers(-4, 5, (5, 23)).astype(np.float64)
    scores[rng.random(scores.shape) < 0.2] = NAN
    found = agreement(scores, [True] * 5, 3)
    for a, b in itertools.product(range(5), repeat=2):
        both = np.isfinite(scores[a]) & np.isfinite(scores[b])
        expected = stats.kendalltau(np.abs(scores[a, both]), np.abs(scores[b, both])).statistic
        assert found.tau[a, b] == pytest.approx(expected, abs=1e-12)
        assert found.shared[a, b] == both.sum()


def test_tau_of_a_long_text_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(0).standard_normal((3, 60))
    whole = agreement(scores, [True] * 3, 5).tau
    monkeypatch.setattr("headscope.analysis.statistics.agreement.PAIRS_AT_ONCE", 130)
    np.testing.assert_array_equal(agreement(scores, [True] * 3, 5).tau, whole)


def test_a_case_by_hand() -> None:
    """Sizes 4 3 2 1 0 against 4 2 3 0 1: of ten pairs two are turned round; signs of the top two + - against + +."""
    a = [4.0, -3.0, 2.0, 1.0, 0.0]
    b = [4.0, 2.0, 3.0, 0.0, 1.0]
    found = agreement(np.array([a, b]), [True, True], 2)
    assert found.tau[0, 1] == pytest.approx(6 / 10)
    assert found.overlap[0, 1] == pytest.approx(1 / 2)
    assert found.signs[0, 1] == pytest.approx(2 / 3)  # positions 0, 1, 2 are in either's top two; 1 differs
    assert dispute(found.tau) == pytest.approx(0.4)
    for matrix in (found.tau, found.overlap, found.signs):
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_array_equal(np.diag(matrix), 1)


def test_equals_at_the_border_share_the_place() -> None:
    np.testing.assert_allclose(top_share(np.array([[5.0, 2.0, 2.0, 2.0, 1.0]]), 2), [[1, 1 / 3, 1 / 3, 1 / 3, 0]])
    a, b = [5.0, 2.0, 2.0, 2.0, 1.0], [5.0, 3.0, 0.0, 0.0, 0.0]
    assert agreement(np.array([a, b]), [True, True], 2).overlap[0, 1] == pytest.approx((1 + 1 / 3) / 2)


def test_what_says_nothing_is_nan() -> None:
    constant, nothing, usual = np.ones(6), np.full(6, NAN), np.arange(6.0)
    found = agreement(np.array([constant, nothing, usual]), [True, True, False], 3)
    for matrix in (found.tau, found.overlap):
        assert np.isnan(matrix[:2]).all()
        assert matrix[2, 2] == 1
    assert np.isnan(found.signs).all()
    assert np.isnan(dispute(found.tau))
    short = agreement(np.array([usual[:3], usual[:3]]), [True, True], 3)
    assert np.isnan(short.overlap).all()
    assert short.tau[0, 1] == 1


def test_two_zeros_are_no_common_sign() -> None:
    found = agreement(np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 2.0, 0.0, 0.0]]), [True, True], 2)
    assert found.signs[0, 1] == 1.0  # the second position is 0 for one of them
    apart = agreement(np.array([[0.0, 0.0, 3.0, 2.0], [3.0, 2.0, 0.0, 0.0]]), [True, True], 2)
    assert np.isnan(apart.signs[0, 1])


def test_unsigned_methods_have_no_sign_agreement() -> None:
    scores = np.random.default_rng(1).random((3, 9))
    signs = agreement(scores, [True, False, True], 3).signs
    assert np.isnan(signs[1]).all()
    assert signs[0, 2] == 1


def test_a_pair_does_not_depend_on_the_other_methods() -> None:
    """Methods that measured different positions, compared all at once and two by two."""
    rng = np.random.default_rng(11)
    scores = rng.integers(-6, 7, (6, 15)).astype(np.float64)
    scores[1:3, 0] = scores[3, 4:7] = scores[4] = NAN
    signed = [True, True, False, True, True, True]
    whole = agreement(scores, signed, 4)
    for a, b in itertools.product(range(6), repeat=2):
        if a != b:
            alone = agreement(scores[[a, b]], [signed[a], signed[b]], 4)
            for name in ("tau", "overlap", "signs"):
                np.testing.assert_allclose(
                    getattr(whole, name)[a, b], getattr(alone, name)[0, 1], err_msg=f"{name} {a} {b}"
                )


def test_random_orders_share_what_chance_gives() -> None:
    rng = np.random.default_rng(5)
    drawn = [agreement(rng.random((2, 12)), [False, False], 3) for _ in range(400)]
    assert np.mean([item.overlap[0, 1] for item in drawn]) == pytest.approx(3 / 12, abs=0.04)
    assert np.mean([item.tau[0, 1] for item in drawn]) == pytest.approx(0, abs=0.04)


@pytest.mark.parametrize("at_once", [1, 300, 1 << 18])
def test_prompts_compared_together_are_each_compared_alone(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr("headscope.analysis.statistics.agreement.PAIRS_AT_ONCE", at_once)
    rng = np.random.default_rng(5)
    scores = rng.integers(-3, 4, (9, 5, 11)).astype(float)
    scores[:, 1, 0] = scores[:, 3, 4:] = np.nan
    scores[4] = 1.0  # equal everywhere: nothing to say
    scores[4, 1, 0] = scores[4, 3, 4:] = np.nan
    signed = [True, True, False, True, True]
    together = agreements(scores, signed, 3)
    for row, one in enumerate(scores):
        alone = agreement(one, signed, 3)
        for name in ("tau", "overlap", "signs", "shared"):
            np.testing.assert_allclose(getattr(together, name)[row], getattr(alone, name), atol=1e-12)
        assert disputes(together.tau)[row] == pytest.approx(dispute(alone.tau), nan_ok=True)
    assert np.isnan(disputes(together.tau)[4])
