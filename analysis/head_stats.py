"""Statistics of attention patterns: what each head looks at, in numbers. A description, never an explanation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from analysis.interfaces import TokenBatch
from analysis.types import HEAD_STATS, HeadSummary

CHUNK_ELEMENTS = 1 << 24
# Columns of the weighted sums over (query, key); each is one matrix-vector product over the whole pattern.
_LINEAR = ("mean_distance", "previous_token", "first_token", "self_attention", "duplicate_token", "induction")


def head_summaries(attentions: Sequence[Tensor], batch: TokenBatch) -> list[HeadSummary]:
    """Head statistics of each prompt. attentions: L tensors `[B, H, query, key]`, rows of real queries sum to 1.

    Padded queries and keys count nowhere. A statistic without any query to be measured on is NaN (a prompt of one token
    has only `max_weight`).
    """
    linear, entropy, largest = _weights(batch)
    per_layer = max(1, attentions[0].numel())
    step = max(1, CHUNK_ELEMENTS // per_layer)
    parts = [
        _statistics(torch.stack(tuple(attentions[start : start + step]), dim=1), linear, entropy, largest)
        for start in range(0, len(attentions), step)
    ]
    table = torch.cat(parts, dim=1).numpy()  # [B, L, H, statistic]
    return [HeadSummary(**{name: prompt[..., i].copy() for i, name in enumerate(HEAD_STATS)}) for prompt in table]


def _statistics(attention: Tensor, linear: Tensor, entropy: Tensor, largest: Tensor) -> Tensor:
    """`[B, L, H, query, key]` to `[B, L, H, statistic]` in the order of HEAD_STATS."""
    n_prompts, n_layers, n_heads, n_queries, n_keys = attention.shape
    pattern = attention.detach().float().reshape(n_prompts, n_layers * n_heads, n_queries, n_keys)
    sums = pattern.flatten(2) @ linear
    row_entropy = torch.special.entr(pattern).sum(-1)
    entropies = row_entropy @ entropy
    maxima = pattern.amax(-1) @ largest
    columns = torch.cat([entropies, sums, maxima], dim=-1)
    return columns.reshape(n_prompts, n_layers, n_heads, len(HEAD_STATS))


def _weights(batch: TokenBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Averaging weights that turn a pattern into statistics.

    Returns `[B, query * key, 6]` for the sums of _LINEAR, `[B, query, 2]` for the two entropies and `[B, query, 1]` for
    the largest weight. The mean over queries is in the weights; NaN where there is no query.
    """
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
    defined = [counted] * len(masks) + [counted & mask.any(-1) for mask in repeats]
    linear = torch.stack(
        [mask * _mean_weights(queries)[:, :, None] for mask, queries in zip([*masks, *repeats], defined, strict=True)],
        dim=-1,
    )
    plain = _mean_weights(counted)
    visible = torch.log((position + 1).float()).clamp(min=1e-9)
    return linear.flatten(1, 2), torch.stack([plain, plain / visible], dim=-1), _mean_weights(real)[:, :, None]


def _mean_weights(queries: Tensor) -> Tensor:
    """bool `[B, query]` to weights that average over the True ones; a row of NaN where there are none."""
    return queries.float() / queries.sum(-1, keepdim=True)


def repeat_masks(input_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Keys of interest for repeated tokens, both bool `[B, query, key]`.

    duplicate: earlier occurrences of the query's own token. induction: the tokens that followed those occurrences (the
    query itself is left out, which matters only when a token repeats at once). Olsson et al. 2022, Wang et al. 2022.
    """
    size = input_ids.shape[1]
    earlier = torch.ones(size, size, dtype=torch.bool).tril(-1)
    duplicate = (input_ids[:, :, None] == input_ids[:, None, :]) & earlier
    induction = torch.zeros_like(duplicate)
    induction[:, :, 1:] = duplicate[:, :, :-1]
    return duplicate, induction & earlier
