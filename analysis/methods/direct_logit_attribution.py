"""Direct logit attribution (Elhage et al. 2021; nostalgebraist 2020): what each part writes to the logit itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from headscope.analysis.attribution.frozen_norm import frozen_norm, is_norm, unknown_norm
from headscope.analysis.attribution.logit_reading import explaining_logit, logit_reading, through, why_no_reading
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
    terms of the outcome, = the explained logit; a norm between heads and stream (Gemma 3) is held like the final one.
    What is missing is `convergence_delta`. What a component does through later layers is not in its score but in
    theirs. A logprob without a foil is answered with the logit.
    """

    NAME: ClassVar[str] = "direct_logit_attribution"

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Models whose heads' outputs can be told apart and whose logit is a plain reading of the last norm."""
        for update in backend.structure.attn_updates:
            if is_norm(update) and frozen_norm(update) is None:
                return unknown_norm(update, f"the norm after the attention of {backend.info.architecture}")
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
    for layer, entered in enumerate(mixed):
        written, constant = _written_by_heads(backend, layer, work.rows_at_positions(entered), reading)
        heads.append(written)
        bias = bias + constant
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


def _written_by_heads(backend: WhiteBoxBackend, layer: int, mixed: Tensor, reading: Tensor) -> tuple[Tensor, Tensor]:
    """`reading` `[B, d]` of what every head writes, `[B, H]`, and of the attention's biases, `[B]`, from the heads'
    outputs side by side at the explained position, `[B, H * d_head]`."""
    module, weights = backend.structure.head_projections[layer], backend.head_weights(layer)
    per_head = mixed.reshape(len(mixed), *weights.shape[:2])
    added: Any = getattr(module, "bias", None)
    bias = torch.zeros(len(mixed), device=mixed.device)
    if (after := frozen_norm(backend.structure.attn_updates[layer])) is not None:
        sums = torch.einsum("bhe,hed->bd", per_head, weights)
        reading, bias = through(after, sums if added is None else sums + added, reading)
    # each head's write is read through its weights: the writes themselves, [B, H, d], are never needed
    heads = torch.einsum("bhe,hed,bd->bh", per_head, weights, reading)
    return heads, bias if added is None else bias + (reading @ added).float()
