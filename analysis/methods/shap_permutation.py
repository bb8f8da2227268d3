"""SHAP by random orders (Strumbelj and Kononenko 2014; the shap library's Permutation explainer)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from headscope.analysis.attribution.evaluations import Evaluations, drawing, seed_of, too_few
from headscope.analysis.attribution.shap_library import shap_library
from headscope.analysis.attribution.unit_games import GameMethod, Solved, UnitGame
from headscope.analysis.attribution.variant_tree import Bools, Float64
from headscope.analysis.types import Params
from headscope.analysis.types.outcome import Outcome


class ShapPermutation(GameMethod):
    """Shapley values estimated by shap's Permutation explainer: units join one after another in a random order, then
    leave in the same order, and `s_u` is the mean of what u adds; scores `[position]`, signed.

    Of every order the scores add up to value(prompt) - value(nothing but the first token), exactly. `max_evals` pays
    for `max_evals // (2 n + 1)` orders of n units; a coalition that comes again is not evaluated again, so they take
    fewer (`steps`). Exact where no more than two units act on each other. `score_errors` are standard errors over the
    orders; the outcome has the largest (`error`), none for one order. A word's score and error lie in equal parts on
    its tokens.
    """

    NAME: ClassVar[str] = "shap_permutation"

    def refused(self, n_units: int, settings: Params) -> str:
        """Fewer evaluations than one order takes."""
        least = fewest(n_units)
        return too_few(least, f"one order of {n_units} {settings['unit']}s takes {least} evaluations", settings)

    def solved(self, game: UnitGame, settings: Params) -> Solved:
        """What all orders ask for shares passes: it does not depend on the values, so a first walk only notes it."""
        n_units, seed = len(game.units), seed_of(game, settings["seed"])
        n_orders = settings["max_evals"] // fewest(n_units)
        values, noted = Evaluations(game), list[Bools]()
        of_each_order(lambda rows: _noted(rows, noted), n_units, n_orders, seed)
        values(np.concatenate(noted))
        found = of_each_order(values, n_units, n_orders, seed)
        everything, nothing = values.ends()
        errors = found.std(0, ddof=1) / np.sqrt(n_orders) if n_orders > 1 else None
        outcome = Outcome(
            steps=len(values),
            error=None if errors is None else float(errors.max()),
            error_label="" if errors is None else "other orders move single scores by about",
            remedy="more evaluations (max_evals)",
            facts={"orders": n_orders},
        )
        return Solved(found.mean(0), everything, nothing, outcome, errors)


def fewest(n_units: int) -> int:
    """Evaluations of one order as shap counts them: none, each unit joining, each unit leaving."""
    return 2 * n_units + 1


def of_each_order(values: Callable[[Any], Float64], n_units: int, n_orders: int, seed: int) -> Float64:
    """What each unit adds in each of the random orders, there and back, float64 `[order, unit]`: the same prompt
    explained once per order, because shap keeps of several orders no more than their mean and spread."""
    shap = shap_library()

    with drawing(seed):
        explainer = shap.explainers.Permutation(values, shap.maskers.Independent(np.zeros((1, n_units))), seed=seed)
        explained = explainer(np.ones((n_orders, n_units)), max_evals=fewest(n_units), silent=True)
    found: Float64 = np.asarray(explained.values, dtype=float).reshape(n_orders, n_units)
    return found


def _noted(rows: Any, noted: list[Bools]) -> Float64:
    noted.append(np.array(rows) > 0)
    return np.zeros(len(rows))
