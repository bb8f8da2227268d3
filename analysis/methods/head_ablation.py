"""Head ablation (Michel et al. 2019; Wang et al. 2022 for the mean): what is lost when one head is switched off."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.attribution.head_effects import HeadEffects, HeadMethod
from headscope.analysis.attribution.head_removal import HeadRemoval
from headscope.analysis.attribution.head_substitutes import REFERENCE, own, reference_mean, resampled
from headscope.analysis.types import Params
from headscope.analysis.types.outcome import NOTHING, Outcome, measured


class HeadAblation(HeadMethod):
    """value(prompt) - value(prompt, one head ablated at every position), nats; scores `[layer, head]`, signed: positive
    means the head helps the explained quantity.

    Ablated is the head's output, before the attention's output projection. Put in its place is zero; its mean over the
    positions of the same prompt up to the explained one (which keeps what the head always adds and removes what it adds
    here), or over stored neutral texts; or what it hands on in such a text at the same position (resample: the mean
    score over `draws` texts, `score_errors` its standard error). Later layers are computed anew, so the score is the
    head's whole effect, repairs by later layers included; scores of heads do not add up to anything.
    """

    NAME: ClassVar[str] = "head_ablation"

    def effects(self, removal: HeadRemoval, settings: Params) -> HeadEffects:
        """See `HeadMethod`."""
        rounds = torch.stack(_rounds(removal, settings))
        found = (removal.values[:, None, None] - rounds).cpu().double().numpy()  # [round, B, L, H]
        n = len(found)
        errors = found.std(0, ddof=1) / np.sqrt(n) if n > 1 else None
        worst = [None] * found.shape[1] if errors is None else errors.max((1, 2)).tolist()
        return HeadEffects(found.mean(0), [_outcome(settings, error) for error in worst], errors)


def _rounds(removal: HeadRemoval, settings: Params) -> list[Tensor]:
    """The quantity without each head `[B, L, H]`, under each substitute that is asked for."""
    if settings["kind"] == "resample":
        drawn = resampled(removal.backend, settings["draws"], settings["seed"], removal.length)
        return [removal.each(substitute) for substitute in drawn]
    if settings["kind"] == "mean" and settings["mean_over"] == "reference":
        return [removal.each(reference_mean(removal.backend))]
    return [removal.alone(settings["kind"], own(settings["kind"], removal))]


def _outcome(settings: Params, error: float | None) -> Outcome:
    if settings["kind"] == "zero" or (settings["kind"] == "mean" and settings["mean_over"] == "prompt"):
        return NOTHING
    return Outcome(
        error=None if error is None else measured(error),
        error_label="" if error is None else "other texts move single scores by about",
        remedy="" if error is None else "more draws (draws)",
        facts={"reference": REFERENCE},
    )
