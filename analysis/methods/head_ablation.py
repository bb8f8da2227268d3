"""Head ablation (Michel et al. 2019; Wang et al. 2022 for the mean): what is lost when one head is switched off."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.attribution.head_removal import HeadRemoval
from headscope.analysis.attribution.head_substitutes import REFERENCE, own, reference_mean, resampled
from headscope.analysis.attribution.results import attribution
from headscope.analysis.backends.suffix import why_no_suffix
from headscope.analysis.interfaces import Method, WhiteBoxBackend
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.types.outcome import NOTHING, Outcome, measured
from headscope.analysis.workspace import Workspace


class HeadAblation(Method):
    """value(prompt) - value(prompt, one head ablated at every position), nats; scores `[layer, head]`, signed: positive
    means the head helps the explained quantity.

    Ablated is the head's output, before the attention's output projection. Put in its place is zero; its mean over the
    positions of the same prompt up to the explained one (which keeps what the head always adds and removes what it adds
    here), or over stored neutral texts; or what it hands on in such a text at the same position (resample: the mean
    score over `draws` texts, `score_errors` its standard error). Later layers are computed anew, so the score is the
    head's whole effect, repairs by later layers included; scores of heads do not add up to anything.
    """

    NAME: ClassVar[str] = "head_ablation"

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Models whose heads' outputs can be told apart and whose layers run on their own."""
        return why_no_suffix(backend)

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt. Heads of a layer and prompts share passes, which run the later layers only."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, params)
        with torch.no_grad():
            removal = HeadRemoval(work, targets)
            rounds = _rounds(work.backend, removal, settings)
        values = removal.values
        effects = (values[:, None, None] - torch.stack(rounds)).cpu().double().numpy()  # [round, B, L, H]
        n = len(effects)
        errors = effects.std(0, ddof=1) / np.sqrt(n) if n > 1 else None
        seconds = (time.perf_counter() - started) / len(targets)
        return [
            attribution(
                self.NAME,
                target,
                effects[:, i].mean(0),
                ("layer", "head"),
                signed=True,
                value=float(values[i]),
                seconds=seconds,
                params=settings,
                score_errors=None if errors is None else errors[i],
                outcome=_outcome(settings, None if errors is None else float(errors[i].max())),
            )
            for i, target in enumerate(targets)
        ]


def _rounds(backend: WhiteBoxBackend, removal: HeadRemoval, settings: Params) -> list[Tensor]:
    """The quantity without each head `[B, L, H]`, under each substitute that is asked for."""
    if settings["kind"] == "resample":
        return [
            removal.each(substitute)
            for substitute in resampled(backend, settings["draws"], settings["seed"], removal.length)
        ]
    if settings["kind"] == "mean" and settings["mean_over"] == "reference":
        return [removal.each(reference_mean(backend))]
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
