"""Removing units (tokens or words) of a prompt as a game: which units are there decides the explained quantity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.masking import Bools, Float64, masked_values, units_of
from analysis.types import Float32, Target
from analysis.workspace import Workspace


@dataclass(frozen=True, slots=True)
class UnitGame:
    """One prompt's units (masks bool `[T]`) and the value of any coalition of them; other tokens are always there."""

    work: Workspace
    targets: Sequence[Target]
    prompt: int
    units: Sequence[Bools]
    masking: str

    @classmethod
    def of(cls, work: Workspace, targets: Sequence[Target], prompt: int, unit: str, masking: str) -> UnitGame:
        """The game of prompt `prompt` of the batch."""
        units = units_of(work.texts[prompt], int(work.positions[prompt]), unit)
        return cls(work, targets, prompt, units, masking)

    def masks(self, coalitions: Bools) -> list[Bools]:
        """Tokens that are there, bool `[T]` each, for coalitions bool `[N, unit]`."""
        size = len(self.work.texts[self.prompt])
        members = np.array(self.units, dtype=np.float32).reshape(len(self.units), size)
        return list((~coalitions).astype(np.float32) @ members == 0)

    def values(self, coalitions: Bools) -> Float64:
        """The explained quantity of coalitions bool `[N, unit]`, float64 `[N]`."""
        masks = self.masks(coalitions)
        return masked_values(self.work, self.targets, [self.prompt] * len(masks), masks, self.masking)

    def token_scores(self, scores: Float64) -> Float32:
        """Scores of units, `[unit]`, on tokens, float32 `[T]`: a word's score in equal parts on its tokens, so that the
        sum stays; NaN where nothing was removed."""
        found = np.full(len(self.work.texts[self.prompt]), np.nan, dtype=np.float32)
        for mask, score in zip(self.units, scores, strict=True):
            found[mask] = score / mask.sum()
        return found
