"""Exact Shapley values (Shapley 1953; Lundberg and Lee 2017): every coalition of words, none left out."""

from __future__ import annotations

from math import comb
from typing import ClassVar

import numpy as np

from headscope.analysis.attribution.coalition_tree import tree_values
from headscope.analysis.attribution.masking import Bools, Float64
from headscope.analysis.attribution.unit_games import GameMethod, Solved, UnitGame
from headscope.analysis.registry.removal import MOST_UNITS
from headscope.analysis.types import Params


class ShapleyExact(GameMethod):
    """`s_u`: mean over all orders of what unit u adds when it joins those before it; scores `[position]`, signed. They
    add up to value(prompt) - value(nothing but the first token), exactly. The reference for SHAP, for prompts of at
    most 12 units: 2^n evaluations. A word's score lies in equal parts on its tokens.
    """

    NAME: ClassVar[str] = "shapley_exact"

    def refused(self, n_units: int, settings: Params) -> str:
        """More units than `max_units`."""
        if n_units <= settings["max_units"]:
            return ""
        many = f"{n_units} {settings['unit']}s need 2^{n_units} evaluations: at most "
        return many + f"{settings['max_units']} (parameter max_units, up to {MOST_UNITS})"

    def solved(self, game: UnitGame, settings: Params) -> Solved:
        """Every coalition, as a tree of shared beginnings where the model allows it."""
        target = game.targets[game.prompt]
        values = tree_values(game.work, target, game.prompt, game.units, settings["masking"])
        if values is None:
            values = game.values(all_coalitions(len(game.units)))
        return Solved(shapley(values), float(values[-1]), float(values[0]), steps=len(values))


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
