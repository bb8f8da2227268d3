"""SHAP over a hierarchy of neighbours (Owen values; Lundberg and Lee 2017, the shap library's Partition explainer)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from headscope.analysis.attribution.results import failed_attribution
from headscope.analysis.attribution.unit_games import UnitGame, of_units
from headscope.analysis.attribution.variant_tree import Float64
from headscope.analysis.interfaces import Method
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace


class ShapPartition(Method):
    """Owen values of tokens or words in a tree of neighbours, by shap's Partition explainer; `[position]`, signed.

    They add up to value(prompt) - value(nothing but the first token), up to `convergence_delta`. Halves of the text are
    weighed against each other first, then their halves, so `max_evals` evaluations go where something happens. A word's
    score lies in equal parts on its tokens.
    """

    NAME: ClassVar[str] = "shap_partition"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; the evaluations of one step of the explainer share passes."""
        settings = resolve_params(self.NAME, params)
        return [self._explain(work, targets, i, settings) for i in range(len(targets))]

    def _explain(self, work: Workspace, targets: Sequence[Target], index: int, settings: Params) -> Attribution:
        started, target = time.perf_counter(), targets[index]
        game = UnitGame.of(work, targets, index, settings["unit"], settings["masking"])
        if not game.units:
            return failed_attribution(self.NAME, target, game.why_empty, signed=True, seconds=0.0, params=settings)
        ends = game.values(np.array([[False] * len(game.units), [True] * len(game.units)]))
        change = float(ends[1] - ends[0])
        scores = np.array([change]) if len(game.units) == 1 else owen_values(game, settings["max_evals"])
        value, seconds = float(ends[1]), time.perf_counter() - started
        return of_units(game, self.NAME, target, scores, value=value, seconds=seconds, params=settings, change=change)


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
