"""Exact Shapley values (Shapley 1953; Lundberg and Lee 2017): every coalition of words, none left out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import comb
from typing import ClassVar

import numpy as np

from headscope.analysis.attribution.coalition_tree import tree_values
from headscope.analysis.attribution.masking import Bools, Float64
from headscope.analysis.attribution.results import failed_attribution
from headscope.analysis.attribution.unit_games import UnitGame, of_units
from headscope.analysis.interfaces import Method
from headscope.analysis.params import resolve_params
from headscope.analysis.registry.removal import MOST_UNITS
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace


class ShapleyExact(Method):
    """`s_u`: mean over all orders of what unit u adds when it joins those before it; scores `[position]`, signed. They
    add up to value(prompt) - value(nothing but the first token), exactly. The reference for SHAP, for prompts of at
    most 12 units: 2^n evaluations. A word's score lies in equal parts on its tokens.
    """

    NAME: ClassVar[str] = "shapley_exact"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; one with too many units says so."""
        settings = resolve_params(self.NAME, params)
        return [self._explain(work, targets, i, settings) for i in range(len(targets))]

    def _explain(self, work: Workspace, targets: Sequence[Target], index: int, settings: Params) -> Attribution:
        started, target = time.perf_counter(), targets[index]
        game = UnitGame.of(work, targets, index, settings["unit"], settings["masking"])
        if not 1 <= len(game.units) <= settings["max_units"]:
            many = f"{len(game.units)} {settings['unit']}s need 2^{len(game.units)} evaluations: at most "
            error = many + f"{settings['max_units']} (parameter max_units, up to {MOST_UNITS})"
            reason = error if game.units else game.why_empty
            return failed_attribution(self.NAME, target, reason, signed=True, seconds=0.0, params=settings)
        values = tree_values(work, target, index, game.units, settings["masking"])
        if values is None:
            values = game.values(all_coalitions(len(game.units)))
        scores = shapley(values)
        value, change, seconds = float(values[-1]), float(values[-1] - values[0]), time.perf_counter() - started
        return of_units(
            game,
            self.NAME,
            target,
            scores,
            value=value,
            seconds=seconds,
            params=settings,
            change=change,
            steps=len(values),
        )


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
