"""Games of a few players by the values of all their coalitions: numpy only, no model."""

from __future__ import annotations

from math import comb

import numpy as np

from headscope.analysis.attribution.variant_tree import Bools, Float64


def all_coalitions(n: int) -> Bools:
    """Every subset of n players, bool `[2^n, n]`; row k holds player i when bit i of k is set."""
    found: Bools = (np.arange(2**n)[:, None] >> np.arange(n)) & 1 == 1
    return found


def shapley(values: Float64) -> Float64:
    """Shapley values `[n]` of a game given by the values of `all_coalitions(n)`."""
    n = len(values).bit_length() - 1
    members = all_coalitions(n)
    sizes = members.sum(1)
    scores = np.empty(n)
    for player in range(n):
        without = np.flatnonzero(~members[:, player])
        weights = np.array([1 / (n * comb(n - 1, int(size))) for size in range(n)])[sizes[without]]
        scores[player] = (weights * (values[without | (1 << player)] - values[without])).sum()
    return scores


def with_others(values: Float64, players: Bools) -> Float64:
    """The game of `players` bool `[n]` alone, the others always there: float64 `[2^k]` of `values` `[2^n]`."""
    bits = 1 << np.arange(len(players))
    index = all_coalitions(int(players.sum())) @ bits[players] + bits[~players].sum()
    found: Float64 = values[index]
    return found
