"""What methods that remove heads have in common."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from headscope.analysis.attribution.head_removal import HeadRemoval
from headscope.analysis.attribution.results import attribution
from headscope.analysis.backends.suffix import why_no_suffix
from headscope.analysis.interfaces import Method, WhiteBoxBackend
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.types.outcome import Outcome
from headscope.analysis.workspace import Workspace


@dataclass(frozen=True, slots=True)
class HeadEffects:
    """scores `[B, ..., layer, head]`, nats; outcomes: one per prompt; errors: shaped like scores, of a method that
    estimates."""

    scores: NDArray[Any]
    outcomes: Sequence[Outcome]
    errors: NDArray[np.float64] | None = None


class HeadMethod(Method):
    """A method that removes heads of the prompts of a batch together; signed scores."""

    AXES: tuple[str, ...] = ("layer", "head")

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Models whose heads' outputs can be told apart and whose layers run on their own."""
        return why_no_suffix(backend)

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt. Heads of a layer and prompts share passes, which run the later layers only."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, params)
        with torch.no_grad():
            removal = HeadRemoval(work, targets)
            found = self.effects(removal, settings)
        seconds = (time.perf_counter() - started) / len(targets)
        return [
            attribution(
                self.NAME,
                target,
                found.scores[i],
                self.AXES,
                signed=True,
                value=float(removal.values[i]),
                seconds=seconds,
                params=settings,
                score_errors=None if found.errors is None else found.errors[i].astype(np.float32),
                outcome=found.outcomes[i],
            )
            for i, target in enumerate(targets)
        ]

    @abstractmethod
    def effects(self, removal: HeadRemoval, settings: Params) -> HeadEffects:
        """Of all prompts of the removal."""
