"""Handing over a whole batch: one Attribution per prompt from padded tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from headscope.analysis.attribution.results import position_attribution
from headscope.analysis.types import Attribution, Float32, Target
from headscope.analysis.types.outcome import NOTHING, Outcome
from headscope.analysis.workspace import Workspace


def handed_over(
    method: str,
    work: Workspace,
    targets: Sequence[Target],
    scores: Tensor,
    axes: tuple[str, ...],
    values: Tensor,
    seconds: float,
    params: Mapping[str, Any],
    *,
    signed: bool,
    layer_scores: Tensor | None = None,
    score_errors: Tensor | None = None,
    outcomes: Sequence[Outcome] | None = None,
) -> list[Attribution]:
    """One Attribution per prompt from padded scores and score_errors `[B, ..., T]`, layer_scores `[B, layer, T]` and
    values `[B]`: NaN after the explained position, a failed one where a number before it is NaN or infinite."""
    return [
        position_attribution(
            method,
            target,
            _unpadded(scores[i], len(text)),
            slice(0, int(work.positions[i]) + 1),
            signed=signed,
            value=float(values[i]),
            seconds=seconds,
            params=params,
            layer_scores=None if layer_scores is None else _unpadded(layer_scores[i], len(text)),
            axes=axes,
            score_errors=None if score_errors is None else _unpadded(score_errors[i], len(text)),
            outcome=NOTHING if outcomes is None else outcomes[i],
        )
        for i, (text, target) in enumerate(zip(work.texts, targets, strict=True))
    ]


def _unpadded(scores: Tensor, length: int) -> Float32:
    found: Float32 = scores[..., :length].detach().float().cpu().numpy()
    return found
