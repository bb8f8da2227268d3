"""Saliency (Simonyan et al. 2013): how strongly the explained quantity reacts to a token's embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from headscope.analysis.attribution.batches import handed_over
from headscope.analysis.interfaces import Method
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace


class Saliency(Method):
    """Norm of the gradient at each token embedding, `s_t = || d quantity / d e_t ||`; scores `[position]`, unsigned."""

    NAME: ClassVar[str] = "saliency"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt, from the batch's one shared backward pass."""
        norm = str(params.get("norm", "l2"))
        shared = work.embedding_gradient(targets)
        scores = shared.gradient.float().norm(p=1 if norm == "l1" else 2, dim=-1)
        axes = ("position",)
        return handed_over(
            self.NAME, work, targets, scores, axes, shared.values, shared.seconds, {"norm": norm}, signed=False
        )
