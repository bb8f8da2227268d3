"""Gradient x input (Shrikumar et al. 2016): a first-order estimate of what each token contributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from headscope.analysis.attribution.batches import handed_over
from headscope.analysis.backends.once import once_per_model
from headscope.analysis.interfaces import Capture, Method, WhiteBoxBackend
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace

ROUNDING = 2e-3
"""|e . g| / (|e| |g|) below this at every token of a sentence is no accident: the size of e is normalised away."""
_NORMALISED = (
    "this model normalises embeddings after looking them up, so their gradient is at a right angle to them (largest "
    "cosine {cosine:.1g}) and gradient x input is rounding noise: use integrated_gradients or occlusion"
)


class InputXGradient(Method):
    """Dot product of embedding and gradient, `s_t = e_t . d quantity / d e_t`; scores `[position]`, signed. Noise, and
    so not applicable, where embeddings are normalised after lookup (Bloom)."""

    NAME: ClassVar[str] = "input_x_gradient"

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Models that normalise their embeddings are refused; seen on one sentence, once per model."""
        cosine = embedding_cosine(backend)
        return _NORMALISED.format(cosine=cosine) if cosine < ROUNDING else None

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt, from the batch's one shared backward pass. No completeness is promised."""
        shared = work.embedding_gradient(targets)
        scores = (shared.gradient * shared.embeddings).float().sum(-1)
        axes = ("position",)
        return handed_over(self.NAME, work, targets, scores, axes, shared.values, shared.seconds, {}, signed=True)


@once_per_model
def embedding_cosine(backend: WhiteBoxBackend) -> float:
    """Largest |e . g| / (|e| |g|) over the tokens of a sentence, g the gradient at embedding e."""
    text = backend.tokenize("One of them said that it was there before us.")
    work = Workspace(backend, [text], Capture(gradients=True))
    target = backend.resolve_target(text, None, None, work.next_logprobs[0])
    shared = work.embedding_gradient([target])
    e, g = shared.embeddings[0].cpu().double(), shared.gradient[0].cpu().double()
    cosines = (e * g).sum(-1).abs() / (e.norm(dim=-1) * g.norm(dim=-1))
    return float(torch.nan_to_num(cosines, nan=1.0).max())
