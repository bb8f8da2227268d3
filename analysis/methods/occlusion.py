"""Occlusion, leave-one-out (Zeiler and Fergus 2014; Li et al. 2016): what is lost when one unit is removed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from analysis.attributions import attribution, failed_attribution
from analysis.interfaces import CausalBackend, Needs, Param
from analysis.masking import MASKING, UNIT, masked_values
from analysis.params import resolve_params
from analysis.types import Attribution, Params, Target
from analysis.unit_games import UnitGame
from analysis.workspace import Workspace, quantities


class Occlusion:
    """`s_u = value(prompt) - value(prompt without u)` for every token or word u; scores `[position]`, signed: positive
    means the unit helps. captum's FeatureAblation at the speed of one batch. The first token stays (NaN). Units that
    stand in for each other each score low: together they may be all that matters.
    """

    NAME: ClassVar[str] = "occlusion"
    NEEDS: ClassVar[Needs] = Needs(many_passes=True)
    PARAMS: ClassVar[tuple[Param, ...]] = (UNIT, MASKING)

    def not_applicable(self, backend: CausalBackend) -> str | None:
        """Every model with embeddings can be served."""
        return None

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; variants of all prompts share passes."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, self.PARAMS, params)
        games = [UnitGame.of(work, targets, i, settings["unit"], settings["masking"]) for i in range(len(targets))]
        masks = [game.masks(~np.eye(len(game.units), dtype=bool)) for game in games]
        owners = [game.prompt for game, mine in zip(games, masks, strict=True) for _ in mine]
        without = masked_values(work, targets, owners, [mask for mine in masks for mask in mine], settings["masking"])
        values = quantities(work.next_logits, targets).double().numpy()
        starts = np.cumsum([0, *map(len, masks)])
        seconds = (time.perf_counter() - started) / len(targets)
        return [
            attribution(
                self.NAME,
                target,
                games[i].token_scores(values[i] - without[starts[i] : starts[i + 1]]),
                ("position",),
                signed=True,
                value=float(values[i]),
                seconds=seconds,
                params={**settings, **games[i].not_explained},
            )
            if games[i].units
            else failed_attribution(
                self.NAME,
                target,
                games[i].why_empty,
                signed=True,
                seconds=seconds,
                params=settings,
            )
            for i, target in enumerate(targets)
        ]
