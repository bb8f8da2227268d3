"""Direct logit attribution (Elhage et al. 2021; nostalgebraist 2020): what each part writes to the logit itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from headscope.analysis.attribution.logit_reading import explaining_logit, logit_reading, why_no_reading
from headscope.analysis.attribution.results import attribution
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.interfaces import Capture, Method, WhiteBoxBackend
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.types.outcome import Outcome
from headscope.analysis.workspace import Workspace, quantities


class DirectLogitAttribution(Method):
    """Dot product of each component's output at the explained position with the direction the logit is read from, the
    final norm's denominator held; scores `[layer, component]`, signed: components 0 to H - 1 are the heads, the last is
    the MLP (its biases included).

    Scores + token embedding + position embedding + biases (of attention projections, final norm and unembedding), all
    terms of the outcome, = the explained logit; what is missing is `convergence_delta`. What a component does through
    later layers is not in its score but in theirs. A logprob without a foil is answered with the logit.
    """

    NAME: ClassVar[str] = "direct_logit_attribution"

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Models whose heads' outputs can be told apart and whose logit is a plain reading of the last norm."""
        return why_no_reading(backend)

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt, from one forward pass of the batch."""
        started = time.perf_counter()
        with torch.no_grad():
            parts = _parts(work, targets)
        scores, delta = parts.scores.cpu().numpy(), parts.delta
        seconds = (time.perf_counter() - started) / len(targets)
        return [
            attribution(
                self.NAME,
                explaining_logit(target),
                scores[i],
                ("layer", "component"),
                signed=True,
                value=float(parts.logits[i]),
                seconds=seconds,
                params={},
                convergence_delta=float(delta[i]),
                outcome=Outcome(
                    terms={
                        "token embedding": float(parts.embedding[i]),
                        "position embeddings": float(parts.position[i]),
                        "biases": float(parts.bias[i]),
                    }
                ),
            )
            for i, target in enumerate(targets)
        ]


@dataclass(frozen=True, slots=True)
class _Parts:
    """scores float32 `[B, L, H + 1]`; embedding, position, bias and the logits themselves, `[B]` each."""

    scores: Tensor
    embedding: Tensor
    position: Tensor
    bias: Tensor
    logits: Tensor

    @property
    def delta(self) -> Tensor:
        return self.scores.sum((1, 2)) + self.embedding + self.position + self.bias - self.logits


def _parts(work: Workspace, targets: Sequence[Target]) -> _Parts:
    backend, structure = work.backend, work.backend.structure
    with entering([structure.layers[0], *structure.head_projections]) as seen:
        result = backend.forward(work.batch, Capture(residuals=True, last_logits_only=True), embeddings=work.embeddings)
    first, *mixed = (hidden for hidden, _, _ in seen)
    reading, bias = logit_reading(backend, work.rows_at_positions(result.residuals[-1]), targets)
    heads = []
    for layer, module in enumerate(structure.head_projections):
        weights = backend.head_weights(layer)
        # read each head's write through its weights: the writes themselves, [B, H, d], are never needed
        per_head = work.rows_at_positions(mixed[layer]).reshape(len(targets), *weights.shape[:2])
        heads.append(torch.einsum("bhe,hed,bd->bh", per_head, weights, reading))
        if isinstance(added := getattr(module, "bias", None), Tensor):
            bias = bias + (reading @ added).float()
    mlps = [torch.einsum("bd,bd->b", work.rows_at_positions(update), reading) for update in result.mlp_updates]
    scores = torch.cat([torch.stack(heads, 1), torch.stack(mlps, 1)[..., None]], dim=-1)
    embedded, first = work.rows_at_positions(work.embeddings), work.rows_at_positions(first)
    return _Parts(
        scores=scores.float(),
        embedding=(embedded * reading).float().sum(-1),
        position=((first - embedded) * reading).float().sum(-1),
        bias=bias,
        logits=quantities(work.next_logits, [explaining_logit(target) for target in targets]),
    )
