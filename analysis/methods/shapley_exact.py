"""Exact Shapley values (Shapley 1953; Lundberg and Lee 2017): every coalition of words, none left out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from headscope.analysis.attribution.coalitions import shapley
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
        values = game.every_value()
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
