"""Gradient x input (Shrikumar et al. 2016): a first-order estimate of what each token contributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from analysis.attributions import position_attribution
from analysis.interfaces import CausalBackend, Needs, Param
from analysis.types import Attribution, Params, Target
from analysis.workspace import Workspace


class InputXGradient:
    """Dot product of embedding and gradient, `s_t = e_t . d quantity / d e_t`; scores `[position]`, signed."""

    NAME: ClassVar[str] = "input_x_gradient"
    NEEDS: ClassVar[Needs] = Needs(gradients=True)
    PARAMS: ClassVar[tuple[Param, ...]] = ()

    def not_applicable(self, backend: CausalBackend) -> str | None:
        """Every model with embeddings can be served."""
        return None

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt, from the batch's one shared backward pass. No completeness is promised."""
        shared = work.embedding_gradient(targets)
        scores = (shared.gradient * shared.embeddings).float().sum(-1).numpy()
        return [
            position_attribution(
                self.NAME,
                target,
                scores[i, : len(text)],
                slice(0, int(work.positions[i]) + 1),
                signed=True,
                value=float(shared.values[i]),
                seconds=shared.seconds,
                params={},
            )
            for i, (text, target) in enumerate(zip(work.texts, targets, strict=True))
        ]
