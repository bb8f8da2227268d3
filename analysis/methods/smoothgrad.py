"""SmoothGrad (Smilkov et al. 2017): the gradient averaged over noisy copies of the prompt."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from headscope.analysis.attribution.batches import handed_over
from headscope.analysis.attribution.sampling_rows import PromptRows, generator_of
from headscope.analysis.interfaces import Method
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace, quantities


class SmoothGrad(Method):
    """`s_t = || mean over samples of d value / d e_t at e + noise ||`: saliency without the jitter of a single point;
    scores `[position]`, unsigned. The noise is Gaussian, its standard deviation `noise` times that of the prompt's own
    embeddings, seeded by the prompt's tokens: the same numbers whatever batch it sits in."""

    NAME: ClassVar[str] = "smoothgrad"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; one forward and backward pass for every sample, batched."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, params)
        order = 1 if settings["norm"] == "l1" else 2
        scores = torch.zeros(work.batch.input_ids.shape, device=work.batch.input_ids.device)
        for i, target in enumerate(targets):
            rows = PromptRows(work, target, i)
            scores[i, : rows.end] = _mean_gradient(rows, settings).norm(p=order, dim=-1)
        values = quantities(work.next_logits, targets)
        seconds = (time.perf_counter() - started) / len(targets)
        axes = ("position",)
        return handed_over(self.NAME, work, targets, scores, axes, values, seconds, settings, signed=False)


def _mean_gradient(rows: PromptRows, settings: Params) -> Tensor:
    """Mean gradient `[P, d]` of one prompt; noise is drawn sample by sample, so that passes may be cut anywhere."""
    here, generator = rows.here.float(), generator_of(rows.text, settings["seed"])
    spread = settings["noise"] * here.std()
    total: Tensor = torch.zeros_like(here)
    for part in rows.passes(settings["samples"]):
        count = part.stop - part.start
        noise = torch.stack([torch.randn(here.shape, generator=generator) for _ in range(count)])
        total += rows.gradients(here + spread * noise.to(here.device)).float().sum(0)
    return total.div(settings["samples"])
