"""Attribution patching of every head and MLP: one backward pass stands for one patched pass a component."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from headscope.analysis.attribution.logit_reading import target_direction
from headscope.analysis.attribution.lrp_rules import relevance_rules
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.backends.watching import complete, watching
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.types import Float32, Target, TokenizedText

LRP = "relp"
"""The rules of `relevance_rules`: those of CP-LRP, but for attention, which keeps its gradient."""


@dataclass(frozen=True, slots=True)
class _Written:
    """What the components of every layer give, as the model has it: of one row the heads before the output projection,
    side by side, of all layers, then the MLPs; last: the residual `[d]` that the final norm reads after the last token.
    """

    parts: tuple[Tensor, ...]
    last: Tensor


def estimated(
    backend: WhiteBoxBackend,
    own: TokenizedText,
    partner: TokenizedText,
    places: Sequence[tuple[int, int]],
    target: Target,
    rule: str | None,
) -> tuple[Float32, float]:
    """Estimated effect `[layer, component]` of each head, and last the MLP, of `partner` in the run of `own`, at all
    places (partner's, own); and the explained logit. `rule` is that of `relevance_rules`, None of plain gradients."""
    with torch.no_grad():
        there = _forward(backend, backend.embed(backend.batch([partner])))
    start = backend.embed(backend.batch([own])).detach().requires_grad_()
    with nullcontext() if rule is None else relevance_rules(backend, rule, 1), torch.enable_grad():
        here = _forward(backend, start)
        direction, offset = target_direction(backend, [target])
        (norm,) = backend.structure.tail
        logit = (norm(here.last) * direction[0]).sum()
        gradients = torch.autograd.grad(logit, here.parts)
    scores = torch.cat(
        [
            _shares(found, places, backend.info.n_heads if index < backend.info.n_layers else 1)
            for index, found in enumerate(zip(there.parts, here.parts, gradients, strict=True))
        ]
    )
    heads, mlps = scores[: -backend.info.n_layers], scores[-backend.info.n_layers :]
    table: Float32 = torch.cat([heads.view(len(mlps), -1), mlps[:, None]], dim=1).cpu().numpy()
    return table, float(logit.detach().float() + offset[0])


def _shares(found: tuple[Tensor, Tensor, Tensor], places: Sequence[tuple[int, int]], n_parts: int) -> Tensor:
    """(other - own) . gradient of each of `n_parts` parts `[n_parts]`, summed over places (other's, own)."""
    width = found[0].shape[-1]
    other, own, gradient = (part.detach().reshape(-1, n_parts, width // n_parts) for part in found)
    theirs, mine = torch.tensor(places, dtype=torch.long, device=own.device).T
    return ((other[theirs] - own[mine]) * gradient[mine]).float().sum((0, -1))


def _forward(backend: WhiteBoxBackend, embeddings: Tensor) -> _Written:
    structure = backend.structure
    with (
        entering([*structure.head_projections, *structure.tail[:1]]) as entered,
        watching(structure.mlp_updates) as left,
    ):
        structure.base(inputs_embeds=embeddings, use_cache=False)
    *mixed, last = (hidden for hidden, _, _ in entered)
    return _Written((*mixed, *complete(left)), last[0, -1])
