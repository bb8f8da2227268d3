"""Verdicts from numbers alone: thousands of made-up games, every rule, and brute force over all orders."""

from __future__ import annotations

from itertools import permutations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headscope.analysis.attribution.coalitions import all_coalitions, shapley, with_others
from headscope.analysis.attribution.orders import (
    FRACTIONS,
    LEVEL,
    Curves,
    Null,
    all_orders,
    as_sets,
    counts,
    game_curves,
    kendall,
    ranked,
    tops,
    verdict,
)
from headscope.analysis.attribution.removal_curves import Compared, Others
from headscope.analysis.types.receipts import Verdict, standing

if TYPE_CHECKING:
    from headscope.analysis.attribution.variant_tree import Float64, Ints

NAN = float("nan")


def game(rng: np.random.Generator, n_units: int) -> Float64:
    """Worth of every unit, of every pair and of every coalition as such: interactions as large as effects."""
    there = all_coalitions(n_units).astype(float)
    pairs = np.einsum("ni,nj,ij->n", there, there, rng.normal(size=(n_units, n_units))) / 2
    return np.asarray(there @ rng.normal(size=n_units) + pairs + rng.normal(size=len(there)))


def curves(values: Float64, order: Ints) -> Curves:
    return game_curves(values, as_sets(tops(order)))


def recency(n_units: int) -> Ints:
    return np.arange(n_units)[::-1]


def others(games: list[Float64], n_units: int) -> Others:
    """All orders, and "last unit first"."""
    nulls = [Null(game_curves(values, all_orders(n_units)), exact=True) for values in games]
    return Others.of(("token", "delete")[: len(games)], nulls, [curves(values, recency(n_units)) for values in games])


def judged(tested: Compared) -> Verdict:
    return verdict(tested.mean.gain, tested.p_value, tested.mean.recency_gain)


PASSED = {Verdict.BETTER, Verdict.BETTER_THAN_RANDOM}


@pytest.mark.parametrize("n_units", [4, 6, 8])
def test_of_all_orders_at_most_5_in_100_pass(n_units: int) -> None:
    rng = np.random.default_rng(n_units)
    for _ in range(10):
        beside = others([game(rng, n_units), game(rng, n_units)], n_units)
        null, rival = beside.null_mean, beside.recency_mean.gain
        verdicts = [verdict(gain, null.p_value(gain), rival) for gain in null.gains]
        assert 0 < np.mean([one in PASSED for one in verdicts]) <= LEVEL
        assert np.mean([one is Verdict.BETTER for one in verdicts]) <= LEVEL


@pytest.mark.parametrize("n_units", [5, 8, 20])
def test_of_thousands_of_random_attributions_at_least_95_in_100_fail(n_units: int) -> None:
    """Against sampled orders; beyond 10 units an additive game stands for one with interactions."""
    rng = np.random.default_rng(100 * n_units)
    passed, draws, tries = 0, 500, 4
    for _ in range(draws):
        asked = [rng.permutation(n_units) for _ in range(12 + 1 + tries)]
        found = sums(rng, asked) if n_units > 10 else curves_of(game(rng, n_units), asked)
        beside = Others.of(("token",), [Null.sampled(some(found, slice(12)))], [some(found, 12)])
        passed += sum(judged(beside.test([some(found, 13 + number)])) in PASSED for number in range(tries))
    assert 0.005 < passed / (draws * tries) <= LEVEL


def curves_of(values: Float64, orders: list[Ints]) -> Curves:
    return game_curves(values, np.array([as_sets(tops(order)) for order in orders]))


def sums(rng: np.random.Generator, orders: list[Ints]) -> Curves:
    worth = rng.normal(size=len(orders[0]))
    deletion = np.array([tops(order) @ worth for order in orders])
    return Curves(deletion, worth.sum() - deletion)


def some(found: Curves, which: int | slice) -> Curves:
    return Curves(found.deletion[which], found.insertion[which])


def test_a_planted_unit_is_first_and_its_order_beats_chance() -> None:
    rng = np.random.default_rng(7)
    first, better = 0, 0
    for _ in range(300):
        planted = int(rng.integers(7))
        values = 6.0 * all_coalitions(7)[:, planted] + 0.3 * game(rng, 7)
        everything, alone = len(values) - 1, 1 << np.arange(7)
        left_out = values[everything] - values[everything - alone]
        for scores in (left_out, shapley(values)):
            order = ranked(scores, rng.permutation(7))
            first += int(order[0] == planted)
            better += judged(others([values] * 2, 7).test([curves(values, order)] * 2)) in PASSED
    assert first / 600 >= 0.95
    assert better / 600 >= 0.95


@pytest.mark.parametrize("n_units", [4, 5])
def test_all_orders_are_all_orders(n_units: int) -> None:
    rng = np.random.default_rng(3)
    games = [game(rng, n_units), game(rng, n_units)]
    ordered = [np.array(order) for order in permutations(range(n_units))]
    assert len(ordered) == factorial(n_units)
    one_by_one = [[by_hand(values, order) for values in games] for order in ordered]
    gains = np.array([np.mean([d.mean() - i.mean() for d, i in parts]) for parts in one_by_one])
    beside = others(games, n_units)
    assert beside.null_mean.gains.mean() == pytest.approx(gains.mean(), abs=1e-9)
    assert beside.null_mean.n_orders == len(all_orders(n_units))
    for number, order in enumerate(ordered[::7]):
        tested = beside.test([curves(values, order) for values in games])
        mine = one_by_one[7 * number]
        assert tested.mean.gain == pytest.approx(gains[7 * number])
        assert tested.p_value == pytest.approx((gains >= gains[7 * number] - 1e-6).mean())
        for part, (deletion, insertion) in zip(tested.parts, mine, strict=True):
            np.testing.assert_allclose(part.deletion, deletion, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(part.insertion, insertion, rtol=1e-5, atol=1e-5)
            assert part.gain == pytest.approx(deletion.mean() - insertion.mean())
        assert tested.mean.gain == pytest.approx(np.mean([part.gain for part in tested.parts]))
    means = np.array([[d for d, _ in parts] for parts in one_by_one]).mean((0, 1))
    np.testing.assert_allclose(tested.mean.random_deletion, means, rtol=1e-4, atol=1e-5)
    marginal = [np.mean([joined(values, order, unit) for order in ordered]) for values in games for unit in order]
    np.testing.assert_allclose([shapley(values)[unit] for values in games for unit in order], marginal, atol=1e-9)


def by_hand(values: Float64, order: Ints) -> tuple[np.ndarray, np.ndarray]:
    n_units = len(order)
    there = {frozenset(np.flatnonzero(row)): value for row, value in zip(all_coalitions(n_units), values, strict=True)}
    everything = frozenset(range(n_units))
    top = [frozenset(order[:count].tolist()) for count in counts(n_units)]
    return (
        np.array([there[everything] - there[everything - chosen] for chosen in top]),
        np.array([there[everything] - there[chosen] for chosen in top]),
    )


def joined(values: Float64, order: Ints, unit: int) -> float:
    before = int(sum(1 << other for other in order[: list(order).index(unit)]))
    return float(values[before | 1 << unit] - values[before])


def test_a_reversed_order_has_the_opposite_gain_and_counts_by_hand() -> None:
    rng = np.random.default_rng(5)
    assert all(sum(pair) == n for n in range(4, 40) for pair in zip(counts(n), reversed(counts(n)), strict=True))
    assert [len(all_orders(n)) for n in (4, 5, 6, 7, 8)] == [24, 120, 360, 1260, 5040]
    assert len(counts(9)) == len(FRACTIONS)
    for n_units in (4, 7, 8):
        values, order = game(rng, n_units), rng.permutation(n_units)
        assert curves(values, order).gain == pytest.approx(-curves(values, order[::-1]).gain, abs=1e-9)
    drawn = Null.sampled(Curves(np.array([[3.0, 1.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [2.0, 2.0]])))
    assert drawn.gains.tolist() == [1, -2, -1, 2]
    assert [drawn.p_value(gain) for gain in (3.0, 1.5, -3.0)] == pytest.approx([1 / 6, 2 / 6, 1])
    assert drawn.curves.deletion[2:].tolist() == [[1, 1], [2, 2]]
    flat = Null.sampled(Curves(np.zeros((2, 4)), np.zeros((2, 4))))
    assert flat.p_value(0.0) == 1  # ties count against


@given(
    st.lists(st.integers(-8, 8), min_size=5, max_size=5),
    st.floats(1e-3, 1e3),
    st.floats(-1e2, 1e2),
    st.sampled_from(["scale", "exp", "cube", "softmax", "dense"]),
    st.integers(0, 1000),
)
def test_rescaling_or_densifying_changes_nothing(
    sizes: list[int], factor: float, shift: float, kind: str, seed: int
) -> None:
    scores = np.array(sizes, dtype=float)
    powers = np.exp(scores - scores.max())
    other = {
        "scale": factor * scores + shift, "exp": np.exp(factor / 1e3 * scores), "cube": scores**3 + scores,
        "softmax": powers / powers.sum(), "dense": 1000.0 + scores,
    }[kind]  # fmt: skip
    rng = np.random.default_rng(seed)
    ties = rng.permutation(5)
    values = game(rng, 5)
    beside = others([values] * 2, 5)
    found = [beside.test([curves(values, ranked(one, ties))] * 2) for one in (scores, other)]
    assert ranked(scores, ties).tolist() == ranked(other, ties).tolist()
    assert (found[0].mean.gain, found[0].p_value) == (found[1].mean.gain, found[1].p_value)
    assert judged(found[0]) is judged(found[1])


@pytest.mark.parametrize(
    ("numbers", "converged", "expected"),
    [
        ((1.0, 0.05, 0.9), None, Verdict.BETTER),
        ((1.0, 0.05, 1.0), True, Verdict.BETTER_THAN_RANDOM),  # a tie with recency counts against
        ((1.0, 0.05, 1.2), None, Verdict.BETTER_THAN_RANDOM),
        ((1.0, 0.0501, 0.0), None, Verdict.NO_BETTER),
        ((1.0, 0.01, 0.0), False, Verdict.NOT_CONVERGED),
        ((NAN, NAN, NAN), False, Verdict.NOT_CONVERGED),
        ((NAN, NAN, NAN), None, Verdict.UNMEASURED),
    ],
)
def test_verdicts(numbers: tuple[float, float, float], converged: bool | None, expected: Verdict) -> None:
    assert standing(verdict(*numbers), converged) is expected


def test_rank_agreement_is_scipys_and_players_left_out_are_always_there() -> None:
    from scipy.stats import kendalltau

    rng = np.random.default_rng(9)
    for size in (2, 5, 30):
        a, b = rng.integers(0, 4, size).astype(float), rng.normal(size=size)
        assert kendall(a, b) == pytest.approx(kendalltau(a, b).statistic, nan_ok=True)
        assert kendall(np.append(a, NAN), np.append(b, 5.0)) == pytest.approx(kendall(a, b), nan_ok=True)
    assert np.isnan(kendall(np.ones(4), b[:4]))
    values = game(rng, 4)
    assert with_others(values, np.array([True, False, True, True])).tolist() == values[
        [index for index in range(16) if index & 2]
    ].tolist()  # fmt: skip
