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

LRP = "cp_lrp"


@dataclass(frozen=True, slots=True)
class _Written:
    """What the components of every layer give: heads `[T, H, d_head]` before the output projection, MLPs `[T, d]`;
    last: the residual `[d]` that the final norm reads after the last token."""

    heads: tuple[Tensor, ...]
    mlps: tuple[Tensor, ...]
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
        gradients = torch.autograd.grad(logit, [*here.heads, *here.mlps])
    theirs, mine = torch.tensor(places, dtype=torch.long, device=start.device).T
    shares = [
        ((other[theirs] - one.detach()[mine]) * gradient[mine]).float().sum((0, -1))
        for other, one, gradient in zip([*there.heads, *there.mlps], [*here.heads, *here.mlps], gradients, strict=True)
    ]
    n_layers = backend.info.n_layers
    scores = torch.cat([torch.stack(shares[:n_layers]), torch.stack(shares[n_layers:])[:, None]], dim=1)
    found: Float32 = scores.cpu().numpy()
    return found, float(logit.detach().float() + offset[0])


def _forward(backend: WhiteBoxBackend, embeddings: Tensor) -> _Written:
    structure, shape = backend.structure, embeddings.shape
    with (
        entering([*structure.head_projections, *structure.tail[:1]]) as entered,
        watching(structure.mlp_updates) as left,
    ):
        structure.base(inputs_embeds=embeddings, use_cache=False)
    *mixed, last = (hidden for hidden, _, _ in entered)
    heads = tuple(hidden.view(shape[1], backend.info.n_heads, -1) for hidden in mixed)
    return _Written(heads, tuple(update.view(shape[1:]) for update in complete(left)), last[0, -1])
