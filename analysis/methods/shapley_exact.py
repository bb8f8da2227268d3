"""Exact Shapley values (Shapley 1953; Lundberg and Lee 2017): every coalition of words, none left out."""

from __future__ import annotations

from typing import ClassVar

from headscope.analysis.attribution.coalitions import shapley
from headscope.analysis.attribution.unit_games import GameMethod, Solved, UnitGame
from headscope.analysis.registry.removal import MOST_UNITS
from headscope.analysis.types import Params
from headscope.analysis.types.outcome import Outcome


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
        """Every coalition; read from the lattice of the request's receipts where there is one."""
        values = game.every_value()
        return Solved(shapley(values), float(values[-1]), float(values[0]), Outcome(steps=len(values)))
