"""Statistics of attention patterns: what each head looks at, in numbers. A description, never an explanation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.interfaces import TokenBatch
from analysis.types import HEAD_STATS, HeadSummary

CHUNK_ELEMENTS = 1 << 24
# Columns of the weighted sums over (query, key); each is one matrix-vector product over the whole pattern.
_LINEAR = ("mean_distance", "previous_token", "first_token", "self_attention", "duplicate_token", "induction")


@dataclass(frozen=True, slots=True)
class _Averages:
    """Averaging weights that turn patterns into statistics. The mean over queries is in them; NaN where there is none.

    linear: `[B, query * key, 6]` for the sums of _LINEAR. entropy: `[B, query, 2]` for the two entropies. largest:
    `[B, query, 1]` for the largest weight.
    """

    linear: Tensor
    entropy: Tensor
    largest: Tensor


def head_summaries(
    attentions: Sequence[Tensor], batch: TokenBatch, visible: Sequence[Tensor] = ()
) -> list[HeadSummary]:
    """Head statistics of each prompt. attentions: L tensors `[B, H, query, key]`, rows of real queries sum to 1.

    visible: see `ForwardResult.visible`; without it every layer sees all keys up to the query. Padded queries and keys
    count nowhere. A statistic without any query to be measured on is NaN (a prompt of one token has only `max_weight`).
    """
    size = batch.input_ids.shape[1]
    masks = visible or [torch.ones(size, size, dtype=torch.bool).tril()] * len(attentions)
    n_prompts, n_heads = attentions[0].shape[:2]
    table = torch.empty(n_prompts, len(attentions), n_heads, len(HEAD_STATS))
    for mask, chunks in _alike(masks, max(1, CHUNK_ELEMENTS // max(1, attentions[0].numel()))):
        averages = _averages(batch, mask)
        for layers in chunks:
            table[:, layers] = _statistics(torch.stack([attentions[layer] for layer in layers], dim=1), averages)
    return [
        HeadSummary(**{name: prompt[..., i].copy() for i, name in enumerate(HEAD_STATS)}) for prompt in table.numpy()
    ]


def _alike(masks: Sequence[Tensor], step: int) -> Iterator[tuple[Tensor, list[list[int]]]]:
    """Each distinct mask with the layers that have it, in chunks of at most `step`."""
    found = {id(mask): mask for mask in masks}
    for key, mask in found.items():
        layers = [layer for layer, other in enumerate(masks) if id(other) == key]
        yield mask, [layers[start : start + step] for start in range(0, len(layers), step)]


def _statistics(attention: Tensor, averages: _Averages) -> Tensor:
    """`[B, L, H, query, key]` to `[B, L, H, statistic]` in the order of HEAD_STATS."""
    n_prompts, n_layers, n_heads = attention.shape[:3]
    pattern = attention.detach().float().flatten(1, 2)  # the prompts' own weights serve all heads in one product
    sums = pattern.flatten(2) @ averages.linear
    entropies = torch.special.entr(pattern).sum(-1) @ averages.entropy
    maxima = pattern.amax(-1) @ averages.largest
    return torch.cat([entropies, sums, maxima], dim=-1).reshape(n_prompts, n_layers, n_heads, len(HEAD_STATS))


def _averages(batch: TokenBatch, visible: Tensor) -> _Averages:
    """The weights for layers whose queries see the keys of `visible` `[query, key]`."""
    size = batch.input_ids.shape[1]
    position = torch.arange(size)
    real = batch.attention_mask.bool()
    counted = real & (position > 0)
    distance = (position[:, None] - position[None, :]).float()
    masks = [
        distance.expand(len(real), -1, -1),
        (distance == 1).float().expand(len(real), -1, -1),
        (position == 0).float().expand(len(real), size, -1),
        (distance == 0).float().expand(len(real), -1, -1),
    ]
    repeats = [mask.float() for mask in repeat_masks(batch.input_ids)]
    # the token before query 1 is token 0, the sink: weight there says nothing about looking one token back
    defined = [counted, real & (position > 1), counted, counted, *(counted & mask.any(-1) for mask in repeats)]
    linear = torch.stack(
        [mask * _mean_weights(queries)[:, :, None] for mask, queries in zip([*masks, *repeats], defined, strict=True)],
        dim=-1,
    )
    n_visible = visible.sum(-1)
    choice = _mean_weights(counted & (n_visible > 1)) / torch.log(n_visible.float()).clamp(min=1e-9)
    entropy = torch.stack([_mean_weights(counted), choice], dim=-1)
    return _Averages(linear.flatten(1, 2), entropy, _mean_weights(real)[:, :, None])


def _mean_weights(queries: Tensor) -> Tensor:
    """bool `[B, query]` to weights that average over the True ones; a row of NaN where there are none."""
    return queries.float() / queries.sum(-1, keepdim=True)


def repeat_masks(input_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Keys of interest for repeated tokens, both bool `[B, query, key]`.

    duplicate: earlier occurrences of the query's own token, but for the first token of the text, where weight rests for
    other reasons (the sink). induction: the tokens that followed earlier occurrences (the query itself is left out,
    which matters only when a token repeats at once). Olsson et al. 2022, Wang et al. 2022.
    """
    size = input_ids.shape[1]
    earlier = torch.ones(size, size, dtype=torch.bool).tril(-1)
    occurred = (input_ids[:, :, None] == input_ids[:, None, :]) & earlier
    induction = torch.zeros_like(occurred)
    induction[:, :, 1:] = occurred[:, :, :-1]
    duplicate = occurred.clone()
    duplicate[:, :, 0] = False
    return duplicate, induction & earlier
