"""Which layers of a model show their attention weights, found by trying: an implementation may ignore the request."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from headscope.analysis.backends.structure import Structure
from headscope.analysis.backends.visibility import has_sink, is_attention
from headscope.analysis.backends.watching import watching


@torch.no_grad()
def readable_layers(structure: Structure, embeddings: Tensor) -> tuple[tuple[int, ...], bool]:
    """Layers whose attention returns causal weights `[B, H, query, key]` in a short pass over `embeddings` `[B, T, d]`,
    and whether a learned sink takes part of any row of them.

    The number of heads must be one in all of them: none is readable otherwise.
    """
    there = [(index, module) for index, module in enumerate(structure.attentions) if module is not None]
    with watching([module for _, module in there], 1) as kept:
        structure.base(inputs_embeds=embeddings.clone(), use_cache=False)
    size = embeddings.shape[1]
    found = {
        index: weights
        for (index, _), weights in zip(there, kept, strict=True)
        if weights is not None and _is_pattern(weights, size)
    }
    if len({weights.shape[1] for weights in found.values()}) != 1:
        return (), False
    return tuple(found), any(map(has_sink, found.values()))


def _is_pattern(weights: Tensor, size: int) -> bool:
    return weights.shape[-2:] == (size, size) and is_attention(weights) and bool(weights.abs().max() > 0)


def why_not_all(architecture: str, structure: Structure, layers: Sequence[int]) -> str:
    """Why the attention of not every layer can be read; empty when all of `layers` is every layer."""
    if len(layers) == len(structure.layers):
        return ""
    if layers:
        which = ", ".join(map(str, layers))
        return f"{architecture} has attention weights that can be read in some layers only ({which})"
    if not any(structure.attentions):
        return f"{architecture} has no attention: its layers mix tokens in another way"
    return f"the attention of {architecture} gives no weights, not even in its eager implementation"


def with_gaps(patterns: Sequence[Tensor], layers: Sequence[int], n_layers: int) -> tuple[Tensor, ...]:
    """Patterns of `layers` as one for every layer: NaN where there is none (0 above the diagonal)."""
    if len(patterns) in (0, n_layers):
        return tuple(patterns)
    known = dict(zip(layers, patterns, strict=True))
    nothing = torch.full_like(patterns[0][0, 0], float("nan")).tril().expand_as(patterns[0])
    return tuple(known.get(index, nothing) for index in range(n_layers))
