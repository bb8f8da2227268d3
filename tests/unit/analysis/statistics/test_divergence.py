"""Bounds of the Jensen-Shannon divergence, against scipy's on the whole distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from headscope.analysis.statistics.divergence import js_bounds

SIZE = 60


def top(probs: np.ndarray, k: int) -> dict[int, float]:
    return {int(i): float(probs[i]) for i in np.argsort(-probs)[:k]}


def exact(p: np.ndarray, q: np.ndarray) -> float:
    return float(jensenshannon(p, q, base=2) ** 2)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 3), st.integers(1, SIZE))
def test_the_truth_lies_between_the_bounds(seed: int, spread: float, k: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=SIZE) * 2
    p, q = (np.exp(x - np.logaddexp.reduce(x)) for x in (logits, logits + spread * rng.normal(size=SIZE)))
    found = js_bounds(top(p, k), top(q, k))
    assert found.low - 1e-9 <= exact(p, q) <= found.high + 1e-9
    assert 0 <= found.low <= found.high <= 1


def test_everything_known_is_exact() -> None:
    p, q = np.array([0.5, 0.25, 0.25]), np.array([0.1, 0.6, 0.3])
    found = js_bounds(dict(enumerate(p)), dict(enumerate(q)))
    assert found.low == pytest.approx(exact(p, q))
    assert found.high == pytest.approx(exact(p, q))
    assert found.shared == pytest.approx(1)


def test_the_same_is_zero_and_nothing_in_common_is_one() -> None:
    assert js_bounds({"a": 0.7, "b": 0.3}, {"a": 0.7, "b": 0.3}).high == 0
    apart = js_bounds({"a": 1.0}, {"b": 1.0})
    assert (apart.low, apart.high, apart.shared) == (0, 1, 0)  # nothing known on both sides: nothing is certain


def test_by_hand() -> None:
    """a: .6 and .2 known; the rest .4 and .8. Middle .4 and .6."""
    low = 0.5 * (0.6 * math.log2(0.6 / 0.4) + 0.2 * math.log2(0.2 / 0.4)) + 0.5 * (
        0.4 * math.log2(0.4 / 0.6) + 0.8 * math.log2(0.8 / 0.6)
    )
    found = js_bounds({"a": 0.6}, {"a": 0.2, "b": 0.1})
    assert found.low == pytest.approx(low)
    assert found.shared == pytest.approx(0.4)


def test_nothing_known_is_nothing_said() -> None:
    assert math.isnan(js_bounds({}, {"a": 1.0}).low)
