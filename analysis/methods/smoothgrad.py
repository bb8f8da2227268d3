"""SmoothGrad (Smilkov et al. 2017): the gradient averaged over noisy copies of the prompt."""

from __future__ import annotations

import math
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
from headscope.analysis.types.outcome import NOTHING, Outcome
from headscope.analysis.workspace import Workspace, quantities

GROUPS = 16
"""Most groups of samples kept apart: the memory of one gradient each."""


class SmoothGrad(Method):
    """`s_t = || mean over samples of d value / d e_t at e + noise ||`: saliency without the jitter of a single point;
    scores `[position]`, unsigned. The noise is Gaussian, its standard deviation `noise` times that of the prompt's own
    embeddings, seeded by the prompt's tokens: the same numbers whatever batch it sits in. `score_errors` are standard
    errors over the samples (a jackknife over at most 16 groups of them); the outcome has the largest (`error`)."""

    NAME: ClassVar[str] = "smoothgrad"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; one forward and backward pass for every sample, batched."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, params)
        order = 1 if settings["norm"] == "l1" else 2
        scores, errors = torch.zeros((2, *work.batch.input_ids.shape), device=work.batch.input_ids.device)
        for i, target in enumerate(targets):
            rows = PromptRows(work, target, i)
            sums, counts = _gradient_sums(rows, settings)
            scores[i, : rows.end] = sums.sum(0).div(counts.sum()).norm(p=order, dim=-1)
            errors[i, : rows.end] = _standard_error(sums, counts, order)
        values = quantities(work.next_logits, targets)
        seconds = (time.perf_counter() - started) / len(targets)
        return handed_over(
            self.NAME,
            work,
            targets,
            scores,
            ("position",),
            values,
            seconds,
            settings,
            signed=False,
            score_errors=errors,
            outcomes=[_outcome(float(errors[i, : int(end) + 1].max())) for i, end in enumerate(work.positions)],
        )


def _outcome(worst: float) -> Outcome:
    if not math.isfinite(worst):
        return NOTHING  # one sample, or a failed attribution
    label = "other noise moves single scores by about"
    return Outcome(error=worst, error_label=label, remedy="more samples (samples)")


def _gradient_sums(rows: PromptRows, settings: Params) -> tuple[Tensor, Tensor]:
    """Sums of gradients of one prompt over groups of samples, `[G, P, d]`, and how many each holds, `[G]`; noise is
    drawn sample by sample, so that passes may be cut anywhere."""
    here, generator = rows.here.float(), generator_of(rows.text, settings["seed"])
    spread = settings["noise"] * here.std()
    groups = min(GROUPS, settings["samples"])
    total, counts = here.new_zeros(groups, *here.shape), here.new_zeros(groups)
    for part in rows.passes(settings["samples"]):
        count = part.stop - part.start
        noise = torch.stack([torch.randn(here.shape, generator=generator) for _ in range(count)])
        group = torch.arange(part.start, part.stop, device=here.device) % groups
        total.index_add_(0, group, rows.gradients(here + spread * noise.to(here.device)).float())
        counts.index_add_(0, group, torch.ones_like(group, dtype=counts.dtype))
    return total, counts


def _standard_error(sums: Tensor, counts: Tensor, order: int) -> Tensor:
    """Standard error `[P]` of the norm of the mean gradient: how it varies as each group is left out; NaN for one."""
    groups = len(counts)
    if groups < 2:
        return sums.new_full(sums.shape[1:2], float("nan"))
    without = (sums.sum(0) - sums) / (counts.sum() - counts)[:, None, None]
    norms = without.norm(p=order, dim=-1)
    found: Tensor = ((norms - norms.mean(0)).square().sum(0) * (groups - 1) / groups).sqrt()
    return found
