"""Wordings and fillers at once: what chance alone does, what a planted effect does, in the sets' layout."""

from __future__ import annotations

import numpy as np
import pytest

from headscope.analysis.statistics import resampling
from headscope.analysis.statistics.effects import paired_effect

WORDING = np.repeat(np.arange(12), 4)
FILLER = np.array([(4 * wording + i) % 12 for wording in range(12) for i in range(4)])
RUNS = 300
SHARES = {"pairs alone": (0.0, 0.0), "quarters": (0.25, 0.25), "fillers": (0.0, 0.5), "wordings": (0.5, 0.0)}
DEALT = resampling.Dealt(draws=400)


def simulated(size: float, shares: tuple[float, float], seed: int) -> tuple[float, float]:
    """How often p is below .05, and how often the interval misses the truth; variance 1, of which these shares are the
    wordings' and the fillers'."""
    random = np.random.default_rng(seed)
    found, missed = [], []
    for _ in range(RUNS):
        noise = [random.normal(size=count) * share**0.5 for count, share in zip((12, 12), shares, strict=True)]
        values = size + noise[0][WORDING] + noise[1][FILLER] + random.normal(size=48) * (1 - sum(shares)) ** 0.5
        effect = paired_effect(values, WORDING.tolist(), FILLER.tolist(), dealt=DEALT)
        found.append(effect.p <= 0.05)
        missed.append(not effect.low <= size <= effect.high)
    return float(np.mean(found)), float(np.mean(missed))


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
def test_nothing_is_found_more_often_than_allowed_whatever_varies(shares: tuple[float, float]) -> None:
    found, missed = simulated(0.0, shares, 1)
    error = np.sqrt(0.05 * 0.95 / RUNS)
    assert found <= 0.05 + 2 * error
    assert missed <= 0.06 + 2 * error  # 3.3 to 5.1 % over 1,500 runs


@pytest.mark.parametrize(
    ("size", "shares", "power"),
    [(0.5, (0.0, 0.0), 0.74), (0.8, (0.0, 0.0), 0.98), (0.5, (0.25, 0.25), 0.31), (0.8, (0.25, 0.25), 0.73)],
)
def test_planted_effects_are_found_as_often_as_stated(size: float, shares: tuple[float, float], power: float) -> None:
    found, _ = simulated(size, shares, 2)
    assert found == pytest.approx(power, abs=3 * np.sqrt(power * (1 - power) / RUNS))


def test_wordings_alone_would_take_a_liked_filler_for_an_effect() -> None:
    random = np.random.default_rng(3)
    values = [random.normal(size=12)[FILLER] + random.normal(size=48) for _ in range(RUNS)]
    one = np.mean([paired_effect(row, WORDING.tolist(), dealt=DEALT).p <= 0.05 for row in values])
    two = np.mean([paired_effect(row, WORDING.tolist(), FILLER.tolist(), dealt=DEALT).p <= 0.05 for row in values])
    assert one > 0.15
    assert two <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / RUNS)


def test_what_lies_within_wordings_adds_no_second_way_and_few_fillers_are_taken_as_given() -> None:
    values = np.random.default_rng(4).normal(0.3, 1, 48)
    alone = paired_effect(values, WORDING.tolist())
    for words in (np.arange(48), WORDING, FILLER % 7):
        both = paired_effect(values, WORDING.tolist(), words.tolist())
        assert (both.p, both.low, both.high) == (alone.p, alone.low, alone.high)


def test_the_variance_is_that_of_cameron_gelbach_and_miller() -> None:
    """By brute force: squares of all pairs of pairs that share a wording or a filler, over the sum of both ways'."""
    values = np.random.default_rng(5).normal(0.3, 1, 48) + np.random.default_rng(6).normal(size=12)[FILLER]
    same = [kind[:, None] == kind[None] for kind in (WORDING, FILLER)]
    product = np.outer(values, values)
    both = resampling.ways(WORDING, FILLER)
    expected = product[same[0] | same[1]].sum() / sum(product[kind].sum() for kind in same)
    least = max(product[kind].sum() for kind in same) / sum(product[kind].sum() for kind in same)
    assert resampling.shrink(both, values) ** 2 == pytest.approx(max(expected, least))


def test_more_clusters_than_are_dealt_keep_their_spread() -> None:
    values = np.random.default_rng(7).normal(0.05, 1, 3000)
    effect = paired_effect(values)
    assert effect.groups == 3000
    assert effect.high - effect.low == pytest.approx(2 * 1.96 / 3000**0.5, rel=0.12)


def test_ties_count_half_and_are_said() -> None:
    effect = paired_effect(np.array([1.0, 1.0, 0.0, 0.0, -1.0, 2.0]))
    assert (effect.above, effect.ties, effect.below) == (3, 2, 1)
    assert effect.positive == pytest.approx(4 / 6)
    assert effect.positive_low < 4 / 6 < effect.positive_high
