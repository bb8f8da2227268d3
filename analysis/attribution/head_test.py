"""The removal test of heads: do the heads a method ranks high matter more than heads picked at random, or the last
ones?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from headscope.analysis.attribution.head_removal import NO_HEAD, HeadRemoval
from headscope.analysis.attribution.head_substitutes import own
from headscope.analysis.attribution.masking import Masking
from headscope.analysis.attribution.removal_test import RemovalTest, Subject
from headscope.analysis.attribution.sampling_rows import generator_of
from headscope.analysis.attribution.variant_tree import Bools, Float64
from headscope.analysis.registry.receipts import HELPS
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace

Put = Literal["mean", "zero"]


@dataclass(frozen=True, slots=True)
class HeadSubject(Subject):
    """All heads of the model, units in the order of layers; never few enough for all subsets."""

    def scores(self, found: Attribution) -> Float64 | None:
        """See `Subject`; large where a head's removal should cost most."""
        return head_scores(found)


class HeadTest(RemovalTest):
    """The removal test over heads instead of tokens; put: what takes the place of a removed head's output, its mean
    over the prompt or nothing. "Recency" is the order "last layer first"."""

    def __init__(self, work: Workspace, targets: Sequence[Target], settings: Params, put: Put) -> None:
        started = time.perf_counter()
        self.settings, self.maskings = settings, (Masking(put),)
        with torch.no_grad():
            self._removal = HeadRemoval(work, targets)
        self._substitute = own(put, self._removal)
        self._generators = [generator_of(text, settings["seed"]) for text in work.texts]
        n_heads = self._removal.n_layers * self._removal.n_heads
        units = list(np.eye(n_heads, dtype=np.bool_))
        self.subjects = [
            HeadSubject("head", units, self._shuffled(prompt, n_heads), ()) for prompt in range(len(targets))
        ]
        self.seconds = time.perf_counter() - started

    def _values(self, owners: Sequence[int], keep: Sequence[Bools], masking: Masking) -> Float64:
        """`keep`: heads that stay, bool `[L * H]` each."""
        absent = [np.flatnonzero(~mask) for mask in keep]
        off = torch.full((len(keep), max(map(len, absent), default=0)), NO_HEAD)
        for row, heads in zip(off, absent, strict=True):
            row[: len(heads)] = torch.from_numpy(heads)
        device = self._removal.values.device
        with torch.no_grad():
            found = self._removal.without(torch.tensor(list(owners), device=device), off.to(device), self._substitute)
        values: Float64 = found.cpu().double().numpy()
        return values


def head_scores(found: Attribution) -> Float64 | None:
    """One score per head, `[L * H]`, large where its removal should cost most; of `(condition, layer, head)` the first
    condition, of `(layer, component)` without the MLPs. None for a method that is not in `HELPS`, for an explained
    continuation, and for a failed attribution."""
    sign = HELPS.get(found.method)
    if sign is None or found.error is not None or "target_position" in found.axes:
        return None
    scores = found.scores[0] if found.axes[0] == "condition" else found.scores
    heads = scores[:, :-1] if found.axes[-1] == "component" else scores
    flat: Float64 = sign * heads.astype(np.float64).ravel()
    return flat


def put_for(found: Attribution) -> Put:
    """What a method itself puts in the place of a head: nothing where it says so, else the mean."""
    return "zero" if found.params.get("kind") == "zero" else "mean"
