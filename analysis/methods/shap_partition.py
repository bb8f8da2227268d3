"""SHAP over a hierarchy of neighbours (Owen values; Lundberg and Lee 2017, the shap library's Partition explainer)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from headscope.analysis.attribution.unit_games import GameMethod, Solved, UnitGame
from headscope.analysis.attribution.variant_tree import Float64
from headscope.analysis.types import Params


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
        nothing, everything = game.values(np.array([[False] * len(game.units), [True] * len(game.units)])).tolist()
        alone = len(game.units) == 1
        scores = np.array([everything - nothing]) if alone else owen_values(game, settings["max_evals"])
        return Solved(scores, everything, nothing)


def owen_values(game: UnitGame, max_evals: int) -> Float64:
    """Values of the game's units, float64 `[unit]`."""
    import shap  # here: importing it takes a second, and most requests do not ask for it
    from scipy.cluster.hierarchy import linkage

    n_units = len(game.units)
    neighbours = linkage(np.arange(n_units, dtype=float)[:, None], method="complete")
    neighbours[:, 2] /= neighbours[:, 2].max()
    absent = np.zeros((1, n_units))
    masker = shap.maskers.Partition(absent, clustering=neighbours)
    known: dict[bytes, float] = {}

    def values(rows: Any) -> Float64:
        present = np.asarray(rows) > 0
        new = [row for row in np.unique(present, axis=0) if row.tobytes() not in known]
        if new:
            known.update(zip((row.tobytes() for row in new), game.values(np.array(new)), strict=True))
        return np.array([known[row.tobytes()] for row in present])

    explainer = shap.explainers.Partition(values, masker)
    explained = explainer(np.ones((1, n_units)), max_evals=max_evals, silent=True)
    found: Float64 = np.asarray(explained.values, dtype=float).reshape(n_units)
    return found
