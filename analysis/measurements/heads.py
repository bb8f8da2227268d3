"""Statistics of attention patterns: what each head looks at, in numbers. A description, never an explanation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from headscope.analysis.interfaces import TokenBatch
from headscope.analysis.types import HEAD_STATS, HeadSummary, Target
from headscope.analysis.workspace import Workspace

CHUNK_ELEMENTS = 1 << 24
# Columns of the weighted sums over (query, key); each is one matrix-vector product over the whole pattern.
_LINEAR = ("previous_token", "first_token", "self_attention", "duplicate_token", "induction", "induction_lift")
_ROWS = ("entropy", "entropy_normalised", "mean_distance", "max_weight", "missing_mass")


@dataclass(frozen=True, slots=True)
class _Averages:
    """Averaging weights that turn patterns into statistics. The mean over queries is in them; NaN where there is none.

    linear: `[B, query * key, 6]` for the sums of _LINEAR. rows: `[B, query, 5]` for what is measured per query, _ROWS.
    """

    linear: Tensor
    rows: Tensor


def measure(work: Workspace, targets: Sequence[Target]) -> list[HeadSummary]:
    """One HeadSummary per prompt, from the attention of the shared pass; the same whatever is explained."""
    return head_summaries(work.attentions, work.batch, work.visible)


def head_summaries(
    attentions: Sequence[Tensor], batch: TokenBatch, visible: Sequence[Tensor] = ()
) -> list[HeadSummary]:
    """Head statistics of each prompt. attentions: L tensors `[B, H, query, key]`, rows of real queries sum to 1, or to
    less where a learned sink takes a part.

    visible: see `ForwardResult.visible`; without it every layer sees all keys up to the query. Padded queries and keys
    count nowhere. A statistic without any query to be measured on is NaN (a prompt of one token has only `max_weight`).
    """
    size = batch.input_ids.shape[1]
    masks = visible or [torch.ones(size, size, dtype=torch.bool).tril()] * len(attentions)
    n_prompts, n_heads = attentions[0].shape[:2]
    device = attentions[0].device
    table = torch.empty(n_prompts, len(attentions), n_heads, len(HEAD_STATS), device=device)
    for mask, chunks in _alike(masks, max(1, CHUNK_ELEMENTS // max(1, attentions[0].numel()))):
        averages = _averages(batch, mask.to(device))
        for layers in chunks:
            table[:, layers] = _statistics(torch.stack([attentions[layer] for layer in layers], dim=1), averages)
    found = table.cpu().numpy()
    return [HeadSummary(**{name: prompt[..., i].copy() for i, name in enumerate(HEAD_STATS)}) for prompt in found]


def _alike(masks: Sequence[Tensor], step: int) -> Iterator[tuple[Tensor, list[list[int]]]]:
    """Each distinct mask with the layers that have it, in chunks of at most `step`."""
    found = {id(mask): mask for mask in masks}
    for key, mask in found.items():
        layers = [layer for layer, other in enumerate(masks) if id(other) == key]
        yield mask, [layers[start : start + step] for start in range(0, len(layers), step)]


def _statistics(attention: Tensor, averages: _Averages) -> Tensor:
    """`[B, L, H, query, key]` to `[B, L, H, statistic]` in the order of HEAD_STATS."""
    n_prompts, n_layers, n_heads, size = attention.shape[:4]
    pattern = attention.detach().float().flatten(1, 2)  # the prompts' own weights serve all heads in one product
    found = dict(zip(_LINEAR, (pattern.flatten(2) @ averages.linear).unbind(-1), strict=True))
    for index, (name, values) in enumerate(_per_query(pattern, size).items()):
        found[name] = (values @ averages.rows[..., index, None])[..., 0]
    table = torch.stack([found[name] for name in HEAD_STATS], dim=-1)
    return table.reshape(n_prompts, n_layers, n_heads, len(HEAD_STATS))


def _per_query(pattern: Tensor, size: int) -> dict[str, Tensor]:
    """What is measured on each row of weights `[..., query, key]`, in the order of _ROWS.

    Entropy and distance are of the weights divided by their sum: a learned sink leaves rows that sum to less than 1.
    """
    position = torch.arange(size, dtype=torch.float32, device=pattern.device)
    total, reach = (pattern @ torch.stack([torch.ones_like(position), position], dim=-1)).unbind(-1)
    divisor = total.clamp(min=torch.finfo(torch.float32).tiny)
    entropy = (torch.special.entr(pattern).sum(-1) / divisor + torch.log(divisor)).clamp(min=0)
    distance = (position * total - reach) / divisor
    missing = (1 - total).clamp(min=0)
    return dict(zip(_ROWS, (entropy, entropy, distance, pattern.amax(-1), missing), strict=True))


def _averages(batch: TokenBatch, visible: Tensor) -> _Averages:
    """The weights for layers whose queries see the keys of `visible` `[query, key]`."""
    size = batch.input_ids.shape[1]
    position = torch.arange(size, device=batch.input_ids.device)
    real = batch.attention_mask.bool()
    counted = real & (position > 0)
    distance = position[:, None] - position[None, :]
    duplicate, induction = repeat_masks(batch.input_ids)
    repeated = _mean_weights(counted & induction.any(-1))[:, :, None]
    n_visible = visible.sum(-1)
    chance = ((induction & visible) / n_visible[:, None] * repeated).sum((1, 2))
    parts = (
        # the token before query 1 is token 0, the sink: weight there says nothing about looking one token back
        (distance == 1) * _mean_weights(real & (position > 1))[:, :, None],
        (position == 0) * _mean_weights(counted)[:, :, None],
        (distance == 0) * _mean_weights(counted)[:, :, None],
        duplicate * _mean_weights(counted & duplicate.any(-1))[:, :, None],
        induction * repeated,
        induction * repeated / chance.where(chance > 0, torch.nan)[:, None, None],
    )
    choice = _mean_weights(counted & (n_visible > 1)) / torch.log(n_visible.float()).clamp(min=1e-9)
    mean = _mean_weights(counted)
    rows = torch.stack([mean, choice, mean, _mean_weights(real), mean], dim=-1)
    return _Averages(torch.stack(parts, dim=-1).flatten(1, 2), rows)


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
    earlier = torch.ones(size, size, dtype=torch.bool, device=input_ids.device).tril(-1)
    occurred = (input_ids[:, :, None] == input_ids[:, None, :]) & earlier
    induction = torch.zeros_like(occurred)
    induction[:, :, 1:] = occurred[:, :, :-1]
    duplicate = occurred.clone()
    duplicate[:, :, 0] = False
    return duplicate, induction & earlier
