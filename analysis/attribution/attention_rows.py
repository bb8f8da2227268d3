"""What attention-based methods share: the explained token's own row of every pattern, and scores without a sign."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from headscope.analysis.attribution.batches import handed_over
from headscope.analysis.types import Attribution, Target
from headscope.analysis.workspace import Workspace, quantities


def explained_rows(work: Workspace) -> Tensor:
    """Weights `[B, layer, head, key]` that the query at each prompt's explained position gives its keys."""
    return torch.stack([work.rows_at_positions(layer.transpose(1, 2)) for layer in work.attentions], dim=1).float()


def head_means(work: Workspace) -> Tensor:
    """Attention averaged over heads, `[layer, B, query, key]`."""
    return torch.stack([layer.float().mean(1) for layer in work.attentions])


def with_residual(patterns: Tensor) -> Tensor:
    """Half attention, half the token itself (the residual connection), `[..., query, key]`; a sum of 1 stays 1."""
    return 0.5 * patterns + 0.5 * torch.eye(patterns.shape[-1], device=patterns.device)


def unsigned(
    method: str,
    work: Workspace,
    targets: Sequence[Target],
    scores: Tensor,
    axes: tuple[str, ...],
    started: float,
    params: Mapping[str, Any],
    layer_scores: Tensor | None = None,
) -> list[Attribution]:
    """One unsigned Attribution per prompt from scores `[B, ..., T]` (and layer_scores `[B, layer, T]`).

    Their target has no part in the scores; `value` is the quantity all the same, for receipts and comparison.
    """
    values = quantities(work.next_logits, targets)
    seconds = (time.perf_counter() - started) / len(targets)
    return handed_over(
        method, work, targets, scores, axes, values, seconds, params, signed=False, layer_scores=layer_scores
    )
