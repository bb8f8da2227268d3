"""SHAP over a hierarchy of neighbours (Owen values; Lundberg and Lee 2017, the shap library's Partition explainer)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from headscope.analysis.attribution.evaluations import Evaluations, drawing
from headscope.analysis.attribution.shap_library import shap_library
from headscope.analysis.attribution.unit_games import GameMethod, Solved, UnitGame
from headscope.analysis.attribution.variant_tree import Float64
from headscope.analysis.types import Params
from headscope.analysis.types.outcome import Outcome


class ShapPartition(GameMethod):
    """Owen values of tokens, words or sentences in a tree of neighbours, by shap's Partition explainer; scores
    `[position]`, signed.

    They add up to value(prompt) - value(nothing but the first token), up to `convergence_delta`. Halves of the text are
    weighed against each other first, then their halves, so `max_evals` evaluations go where something happens. A word's
    score lies in equal parts on its tokens.
    """

    NAME: ClassVar[str] = "shap_partition"

    def solved(self, game: UnitGame, settings: Params) -> Solved:
        """The evaluations of one step of the explainer share passes."""
        values = Evaluations(game)
        everything, nothing = values.ends()
        alone = len(game.units) == 1
        scores = np.array([everything - nothing]) if alone else owen_values(values, len(game.units), settings)
        return Solved(scores, everything, nothing, Outcome(steps=len(values)))


def owen_values(values: Evaluations, n_units: int, settings: Params) -> Float64:
    """Values of the game's units, float64 `[unit]`."""
    shap = shap_library()
    from scipy.cluster.hierarchy import linkage

    neighbours = linkage(np.arange(n_units, dtype=float)[:, None], method="complete")
    neighbours[:, 2] /= neighbours[:, 2].max()
    with drawing(0):  # which of two equal halves is looked into first: the same one each time
        masker = shap.maskers.Partition(np.zeros((1, n_units)), clustering=neighbours)
        explainer = shap.explainers.Partition(values, masker)
        explained = explainer(np.ones((1, n_units)), max_evals=settings["max_evals"], silent=True)
    found: Float64 = np.asarray(explained.values, dtype=float).reshape(n_units)
    return found
