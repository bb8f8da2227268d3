"""Logits that are no numbers: a model overflows its number format, or its weights are damaged."""

from __future__ import annotations

import torch
from torch import Tensor

from headscope.analysis.types import ModelInfo


def finite_rows(logits: Tensor) -> Tensor:
    """bool `[...]` from logits `[..., V]`: whether every one of a row is a number. One pass and no mask of the same
    size: NaN and infinity survive a sum."""
    return torch.isfinite(logits.detach().sum(dim=-1, dtype=torch.float32))


def overflow(info: ModelInfo, what: str) -> str:
    """The sentence on a model that gives NaN or infinity; `what`: which of its numbers."""
    wider = "" if info.ref.dtype == "float32" else "use float32, or "
    return (
        f"{info.ref.name} computed non-finite {what} in {info.ref.dtype}: the weights are damaged or the dtype is too "
        f"narrow. To have numbers there {wider}get the model again."
    )
