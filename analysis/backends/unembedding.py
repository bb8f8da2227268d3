"""From final hidden states to logits, as every model family does it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def to_logits(model: nn.Module, hidden: Tensor) -> Tensor:
    """Unembedding of final-normed hidden states `[..., d]`, with the scaling and capping some families add."""
    logits: Tensor = model.get_output_embeddings()(hidden)  # type: ignore[operator]
    config: Any = model.config
    if getattr(config, "logits_scaling", None):
        logits = logits / config.logits_scaling
    if getattr(config, "logit_scale", None):
        logits = logits * config.logit_scale
    if getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / config.final_logit_softcapping) * config.final_logit_softcapping
    return logits
