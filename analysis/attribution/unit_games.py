"""Removing units (tokens, words, sentences) of a prompt as a game: which are there decides the explained quantity."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from headscope.analysis.attribution.coalitions import all_coalitions, with_others
from headscope.analysis.attribution.held_first import joined, no_score
from headscope.analysis.attribution.lattice import lattice
from headscope.analysis.attribution.masking import Masking, masked_values, neutral, replaced_by, units_of
from headscope.analysis.attribution.results import attribution, failed_attribution
from headscope.analysis.attribution.variant_tree import Bools, Float64
from headscope.analysis.interfaces import Method
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Float32, Params, Target
from headscope.analysis.types.outcome import NOTHING, Outcome
from headscope.analysis.workspace import Workspace


@dataclass(frozen=True, slots=True)
class UnitGame:
    """One prompt's units (masks bool `[T]`) and the value of any coalition of them; other tokens are always there.

    unit: `token` or `word`. same: units left out because what takes their place is what they are already: removing them
    would change nothing, and their score would be 0 by construction.
    """

    work: Workspace
    targets: Sequence[Target]
    prompt: int
    units: Sequence[Bools]
    masking: Masking
    unit: str
    same: Sequence[Bools] = ()

    @classmethod
    def of(cls, work: Workspace, targets: Sequence[Target], prompt: int, unit: str, masking: Masking) -> UnitGame:
        """The game of prompt `prompt` of the batch."""
        units = units_of(work.texts[prompt], int(work.positions[prompt]), unit)
        if masking.kind == "delete":
            return cls(work, targets, prompt, units, masking, unit)
        here, absent = work.embeddings[prompt, : len(work.texts[prompt])], neutral(work.backend, masking)
        stays = (here == absent).all(-1).cpu().numpy()
        moved = [mask for mask in units if not stays[mask].all()]
        same = [mask for mask in units if stays[mask].all()]
        return cls(work, targets, prompt, moved, masking, unit, same)

    @property
    def why_empty(self) -> str:
        """Why there is no unit."""
        return self._its_own_replacement or "there is no token that could be removed"

    @property
    def facts(self) -> dict[str, str]:
        """What the result's outcome says of what took the units' place."""
        return replaced_by(self.work.backend, self.masking)

    @property
    def not_explained(self) -> str:
        """What the result's outcome says of units that were left out."""
        return joined(no_score(self.work.texts[self.prompt], "is never removed"), self._its_own_replacement)

    @property
    def _its_own_replacement(self) -> str:
        if not self.same:
            return ""
        which = ", ".join(str(position) for position in np.flatnonzero(np.any(self.same, axis=0)).tolist())
        return (
            f"the token at position {which} is what removed tokens are replaced by (masking {self.masking}) and would "
            "score 0 by construction: take another masking to explain it"
        )

    def masks(self, coalitions: Bools) -> list[Bools]:
        """Tokens that are there, bool `[T]` each, for coalitions bool `[N, unit]`."""
        size = len(self.work.texts[self.prompt])
        members = np.array(self.units, dtype=np.float32).reshape(len(self.units), size)
        return list((~coalitions).astype(np.float32) @ members == 0)

    def values(self, coalitions: Bools) -> Float64:
        """The explained quantity of coalitions bool `[N, unit]`, float64 `[N]`."""
        masks = self.masks(coalitions)
        return masked_values(self.work, self.targets, [self.prompt] * len(masks), masks, self.masking)

    def every_value(self) -> Float64:
        """The explained quantity of `all_coalitions`, float64 `[2^n]`."""
        kept = self.kept_values()
        return self.values(all_coalitions(len(self.units))) if kept is None else kept

    def kept_values(self) -> Float64 | None:
        """The same where the request has computed it already (for its receipts), else None."""
        kept = lattice(self.work, self.targets[self.prompt], self.prompt, self.unit, self.masking)
        if kept is None or not self.same:
            return kept
        everything = units_of(self.work.texts[self.prompt], int(self.work.positions[self.prompt]), self.unit)
        players = np.array([not any((mask == other).all() for other in self.same) for mask in everything])
        return with_others(kept, players)

    def token_scores(self, scores: Float64) -> Float32:
        """Scores of units, `[unit]`, on tokens, float32 `[T]`: a word's score in equal parts on its tokens, so that the
        sum stays; NaN where nothing was removed."""
        found = np.full(len(self.work.texts[self.prompt]), np.nan, dtype=np.float32)
        for mask, score in zip(self.units, scores, strict=True):
            found[mask] = score / mask.sum()
        return found


@dataclass(frozen=True, slots=True)
class Solved:
    """Scores float64 `[unit]`, the explained quantity with all units and with none, how far each score may be off (like
    `scores`) where a method says it, and what else came out."""

    scores: Float64
    everything: float
    nothing: float
    outcome: Outcome
    errors: Float64 | None = None


class GameMethod(Method):
    """A method that solves the game of each prompt by itself."""

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; a game that `refused` refuses says why."""
        settings = resolve_params(self.NAME, params)
        return [self._explain(work, targets, i, settings) for i in range(len(targets))]

    def _explain(self, work: Workspace, targets: Sequence[Target], index: int, settings: Params) -> Attribution:
        started, target = time.perf_counter(), targets[index]
        game = UnitGame.of(work, targets, index, settings["unit"], Masking.of(settings))
        reason = self.refused(len(game.units), settings) if game.units else game.why_empty
        if reason:
            return failed_attribution(self.NAME, target, reason, signed=True, seconds=0.0, params=settings)
        found = self.solved(game, settings)
        return of_units(
            game,
            self.NAME,
            target,
            found.scores,
            value=found.everything,
            seconds=time.perf_counter() - started,
            params=settings,
            outcome=replace(found.outcome, value_change=found.everything - found.nothing),
            errors=found.errors,
        )

    def refused(self, n_units: int, settings: Params) -> str:
        """Why a game of so many units is not solved; empty when it is."""
        return ""

    @abstractmethod
    def solved(self, game: UnitGame, settings: Params) -> Solved:
        """A game of at least one unit."""


def of_units(
    game: UnitGame,
    method: str,
    target: Target,
    scores: Float64,
    *,
    value: float,
    seconds: float,
    params: Params,
    outcome: Outcome = NOTHING,
    errors: Float64 | None = None,
    computed: slice = slice(None),
) -> Attribution:
    """The Attribution of scores `[unit]`, a failed one without units. outcome: what the method says; why tokens have no
    score is added. errors: of the scores, `[unit]`. computed: the units that have a score yet."""
    if not game.units:
        return failed_attribution(method, target, game.why_empty, signed=True, seconds=seconds, params=params)
    scored, change = game.token_scores(scores), outcome.value_change
    return attribution(
        method,
        target,
        scored,
        ("position",),
        signed=True,
        value=value,
        seconds=seconds,
        params=params,
        measured=np.any([np.zeros(len(scored), dtype=np.bool_), *game.units[computed]], axis=0),
        convergence_delta=float("nan") if change is None else float(scores.sum() - change),
        score_errors=None if errors is None else game.token_scores(errors),
        outcome=replace(outcome, not_explained=game.not_explained, facts={**outcome.facts, **game.facts}),
    )
