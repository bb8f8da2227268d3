"""A few made-up tokens on which to try what a model can do."""

from __future__ import annotations

import torch

from headscope.analysis.interfaces import TokenBatch, WhiteBoxBackend


def made_up_batch(backend: WhiteBoxBackend, length: int, rows: int = 1) -> TokenBatch:
    """`rows` prompts of `length` tokens, no two alike in a vocabulary of more than seven times as many."""
    device = next(backend.model.parameters()).device
    ids = (torch.arange(rows * length, device=device).view(rows, length) * 7 + 1) % backend.info.vocab_size
    return TokenBatch((), ids, torch.ones_like(ids), torch.full((rows,), length, device=device))
