"""Kernel SHAP (Lundberg and Lee 2017): Shapley values by a weighted regression, the shap library's KernelExplainer."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from headscope.analysis.attribution.evaluations import Evaluations, drawing, seed_of, too_few
from headscope.analysis.attribution.shap_library import shap_library
from headscope.analysis.attribution.unit_games import GameMethod, Solved, UnitGame
from headscope.analysis.attribution.variant_tree import Float64
from headscope.analysis.types import Params
from headscope.analysis.types.outcome import Outcome

_ALL = "none: every coalition was evaluated"
_UNKNOWN = "not known: the regression gives one answer; another seed shows how far scores move"


class ShapKernel(GameMethod):
    """Shapley values estimated by shap's KernelExplainer: at most `max_evals` coalitions are evaluated, smallest and
    largest first, the rest drawn, and scores fitted to them with Shapley's weights; scores `[position]`, signed. Units
    of little effect keep their score (`l1_reg` off).

    The scores add up to value(prompt) - value(nothing but the first token): the regression is told to. They are exact
    Shapley values once all coalitions are evaluated; before that nothing tells how far off they are, and the outcome's
    `sampling error` says so. A word's score lies in equal parts on its tokens.
    """

    NAME: ClassVar[str] = "shap_kernel"

    def refused(self, n_units: int, settings: Params) -> str:
        """So few evaluations that the regression may have no answer."""
        least, unit = fewest(n_units), settings["unit"]
        needed = f"{n_units} {unit}s need {least} evaluations, so that every {unit} is once alone and once left out"
        return too_few(least, needed, settings)

    def solved(self, game: UnitGame, settings: Params) -> Solved:
        """All coalitions share passes: shap asks for them at once."""
        values, n_units = Evaluations(game), len(game.units)
        scores = regressed(values, n_units, settings["max_evals"], seed_of(game, settings["seed"]))
        everything, nothing = values.ends()
        sampling = _ALL if len(values) == 2**n_units else _UNKNOWN
        return Solved(scores, everything, nothing, Outcome(steps=len(values), facts={"sampling error": sampling}))


def fewest(n_units: int) -> int:
    """Evaluations, all units and none among them, from which on shap takes every unit alone and every unit left out, so
    that the regression has one answer: their share of the weight, n / ((n - 1) H(n - 1)), must be worth the 2 n they
    are."""
    every = 1 << n_units
    harmonic = sum(1 / i for i in range(1, n_units))
    return every if n_units < 3 else min(every, 2 + math.ceil(2 * (n_units - 1) * harmonic - 1e-6))


def regressed(values: Evaluations, n_units: int, max_evals: int, seed: int) -> Float64:
    """Kernel SHAP values float64 `[unit]`."""
    shap = shap_library()

    with drawing(seed):
        explainer = shap.KernelExplainer(values, np.zeros((1, n_units)))
        explained = explainer.shap_values(np.ones((1, n_units)), nsamples=max_evals - 2, l1_reg=False, silent=True)
    found: Float64 = np.asarray(explained, dtype=float).reshape(n_units)
    return found
