"""Shapley values of a prompt's parts from few questions: sampled permutations, with intervals of value and rank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import comb

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.intervals import expanded

Bools = NDArray[np.bool_]
Float64 = NDArray[np.float64]
DRAWS = 1000
HALVES_NEED = 8
"""Orders: two pairs of an order and its reverse in each half, or chance alone would decide how far they agree."""
ROUND = 4
"""Orders between two looks whether the ranks are settled."""
TOP = 3
SETTLED = 0.95
"""Share of resamples in which the TOP largest parts must be the same ones."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Importance of each part, float64 `[part]`: its Shapley value in the unit of the game. low, high: 95 % interval
    under the sampling of permutations (and answers, when those are sampled); equal to it when all was evaluated.

    rank: 1 is the largest in absolute value; rank_low, rank_high: where it stays in 95 % of resamples. reliability:
    rank correlation of two halves of the permutations, 1 when exact, NaN for fewer than 3 parts or HALVES_NEED orders.
    steady: share of resamples with the same TOP largest parts (one fewer than all, if there are no more); 1 when exact,
    NaN where nothing can be resampled.
    """

    score: Float64
    low: Float64
    high: Float64
    rank: NDArray[np.int64]
    rank_low: NDArray[np.int64]
    rank_high: NDArray[np.int64]
    reliability: float
    steady: float

    @property
    def settled(self) -> bool:
        """Whether more orders would hardly change which parts are the largest. Looked at several times in a study, so
        that the share of studies that stop wrongly is more than 1 - SETTLED."""
        return self.steady >= SETTLED


@dataclass(frozen=True)
class Plan:
    """Which coalitions of n parts to ask about. exact: all of them; else along `orders` and their reverses
    (antithetic: Mitchell et al. 2022, JMLR 23(43)), after Castro et al. 2009, doi:10.1016/j.cor.2008.04.004."""

    n: int
    orders: NDArray[np.int64]
    exact: bool

    @classmethod
    def of(cls, n: int, permutations: int, seed: int, noisy: bool) -> Plan:
        """The cheaper of all coalitions and `permutations` (made even) orders. noisy: answers are sampled, so that even
        all coalitions would not be exact, and orders are drawn in any case."""
        pairs = max(1, (permutations + 1) // 2)
        exact = n <= 1 or (not noisy and 2**n <= 2 * pairs * (n - 1) + 2)
        random = np.random.default_rng(seed)
        drawn = np.stack([random.permutation(n) for _ in range(pairs)])
        return cls(n, np.stack([drawn, drawn[:, ::-1]], axis=1).reshape(-1, n), exact)

    def rounds(self) -> Iterator[Plan]:
        """Shorter plans, each with the orders of the one before and more, the last of them this one: what each asks
        is among what the next one asks."""
        for orders in range(HALVES_NEED, len(self.orders), ROUND):
            shorter = replace(self, orders=self.orders[:orders], exact=False)
            if self.n > 1 and len(shorter.coalitions) < len(self.coalitions):
                yield shorter
        yield self

    @cached_property
    def coalitions(self) -> Bools:
        """Distinct coalitions, bool `[coalition, part]`."""
        if self.exact:
            found: Bools = (np.arange(2**self.n)[:, None] >> np.arange(self.n) & 1).astype(np.bool_)
            return found
        distinct: Bools = np.unique(self._steps.reshape(-1, self.n), axis=0)
        return distinct

    @cached_property
    def _steps(self) -> Bools:
        """bool `[order, n + 1, part]`: the parts there before each step of an order, and after the last."""
        place = np.argsort(self.orders, axis=1)
        steps: Bools = place[:, None, :] < np.arange(self.n + 1)[None, :, None]
        return steps

    def importance(self, values: Float64) -> Importance:
        """From the value of each coalition, float64 `[coalition]`."""
        if self.exact:
            return _certain(self._exact(values))
        index = {row.tobytes(): i for i, row in enumerate(self.coalitions)}
        at = np.array([[index[row.tobytes()] for row in order] for order in self._steps])
        gains = np.diff(values[at], axis=1)
        marginal = np.empty_like(gains)
        np.put_along_axis(marginal, self.orders, gains, axis=1)
        pairs: Float64 = marginal.reshape(-1, 2, self.n).mean(axis=1)
        return _sampled(pairs)

    def _exact(self, values: Float64) -> Float64:
        sizes = self.coalitions.sum(axis=1)
        scores = np.zeros(self.n)
        for part in range(self.n):
            without = np.flatnonzero(~self.coalitions[:, part])
            weights = np.array([1 / (self.n * comb(self.n - 1, size)) for size in sizes[without]])
            scores[part] = weights @ (values[without + (1 << part)] - values[without])
        return scores


def _ranks(scores: Float64) -> NDArray[np.int64]:
    order = np.argsort(-np.abs(scores), axis=-1, kind="stable")
    return np.argsort(order, axis=-1, kind="stable") + 1


def _certain(scores: Float64) -> Importance:
    ranks = _ranks(scores)
    return Importance(scores, scores, scores, ranks, ranks, ranks, 1.0 if len(scores) > 2 else float("nan"), 1.0)


def _sampled(pairs: Float64) -> Importance:
    """From the marginal contributions in each pair of orders, `[pair, part]`; one pair has no interval."""
    count, n = pairs.shape
    scores = pairs.mean(axis=0)
    nothing = np.full(n, np.nan)
    if count < 2:
        unknown = float("nan")
        return Importance(
            scores, nothing, nothing, _ranks(scores), np.ones(n, np.int64), np.full(n, n), unknown, unknown
        )
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=DRAWS) / count
    draws = weights @ pairs
    low, high = np.percentile(draws, expanded(count), axis=0)
    drawn, rank, top = _ranks(draws), _ranks(scores), min(TOP, n - 1)
    ranks = np.percentile(drawn, expanded(count), axis=0, method="nearest").astype(np.int64)
    steady = float(((drawn <= top) == (rank <= top)).all(axis=1).mean())
    return Importance(scores, low, high, rank, ranks[0], ranks[1], _halves(pairs), steady)


def _halves(pairs: Float64) -> float:
    if 2 * len(pairs) < HALVES_NEED or pairs.shape[1] < 3:
        return float("nan")
    one, two = (_ranks(half.mean(axis=0)) for half in (pairs[::2], pairs[1::2]))
    return float(np.corrcoef(one, two)[0, 1])
