"""Occlusion, leave-one-out (Zeiler and Fergus 2014; Li et al. 2016): what is lost when one unit is removed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from headscope.analysis.attribution.coarse_to_fine import Search, never, search, searched
from headscope.analysis.attribution.masking import Masking, masked_values
from headscope.analysis.attribution.unit_games import UnitGame, of_units
from headscope.analysis.attribution.variant_tree import Float64
from headscope.analysis.interfaces import Method
from headscope.analysis.params import resolve_params
from headscope.analysis.registry.entry import UNITS
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace, quantities


class Occlusion(Method):
    """`s_u = value(prompt) - value(prompt without u)` for every token, word or sentence u; scores `[position]`, signed:
    positive means the unit helps. captum's FeatureAblation at the speed of one batch. The first token stays (NaN).
    Units that stand in for each other each score low: together they may be all that matters.

    plan `coarse_to_fine`: sentences first, then words of the sentences of most effect, then tokens of such words, as
    far as `passes` removals go; a token has the score of the finest unit measured that holds it, in equal parts, and
    facts of the outcome say which. Enough passes give what `each` gives.
    """

    NAME: ClassVar[str] = "occlusion"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; variants of all prompts share passes."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, params)
        if settings["plan"] == "coarse_to_fine":
            return self._searched(work, targets, settings)
        games = [UnitGame.of(work, targets, i, settings["unit"], Masking.of(settings)) for i in range(len(targets))]
        without = _without_each(work, targets, games)
        values = quantities(work.next_logits, targets).cpu().double().numpy()
        seconds = (time.perf_counter() - started) / len(targets)
        return [
            self._found(game, target, value - mine, float(value), seconds, settings)
            for game, target, value, mine in zip(games, targets, values, without, strict=True)
        ]

    def _searched(self, work: Workspace, targets: Sequence[Target], settings: Params) -> list[Attribution]:
        started, unit, masking = time.perf_counter(), settings["unit"], Masking.of(settings)
        kinds = UNITS[UNITS.index(unit) :][::-1]
        games = [{kind: UnitGame.of(work, targets, i, kind, masking) for kind in kinds} for i in range(len(targets))]
        values = quantities(work.next_logits, targets).cpu().double().numpy()
        searches = {
            i: Search({kind: of[kind].units for kind in kinds}, never(of[unit]), float(values[i]), settings["passes"])
            for i, of in enumerate(games)
            if of[unit].units
        }
        search(searches, kinds, lambda owners, keep: masked_values(work, targets, owners, keep, masking))
        seconds = (time.perf_counter() - started) / len(targets)
        return [
            searched(self.NAME, games[i][unit], target, searches.get(i), seconds, settings)
            for i, target in enumerate(targets)
        ]

    def part(self, work: Workspace, target: Target, params: Params, units: slice) -> tuple[Attribution, int]:
        """What `attribute` gives for a batch of one prompt, of these units only (the others' tokens are NaN), and how
        many units there are: for a page that shows scores as they come."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, params)
        game = UnitGame.of(work, [target], 0, settings["unit"], Masking.of(settings))
        value = float(quantities(work.next_logits, [target])[0])
        scores = np.full(len(game.units), np.nan)
        if chosen := range(len(game.units))[units]:
            scores[units] = value - game.values(~np.eye(len(game.units), dtype=bool)[chosen.start : chosen.stop])
        found = self._found(game, target, scores, value, time.perf_counter() - started, settings, units)
        return found, len(game.units)

    def _found(
        self,
        game: UnitGame,
        target: Target,
        scores: Float64,
        value: float,
        seconds: float,
        settings: Params,
        units: slice = slice(None),
    ) -> Attribution:
        return of_units(game, self.NAME, target, scores, value=value, seconds=seconds, params=settings, computed=units)


def _without_each(work: Workspace, targets: Sequence[Target], games: Sequence[UnitGame]) -> list[Float64]:
    """The explained quantity without each unit, `[unit]` for every game; read from the lattice where there is one."""
    kept = [game.kept_values() for game in games]
    masks = [
        game.masks(~np.eye(len(game.units), dtype=bool)) if values is None else []
        for game, values in zip(games, kept, strict=True)
    ]
    owners = [game.prompt for game, mine in zip(games, masks, strict=True) for _ in mine]
    measured = masked_values(work, targets, owners, [mask for mine in masks for mask in mine], games[0].masking)
    parts = np.split(measured, np.cumsum([len(mine) for mine in masks])[:-1])
    return [
        part if values is None else values[len(values) - 1 - (1 << np.arange(len(game.units)))]
        for game, values, part in zip(games, kept, parts, strict=True)
    ]
