"""Rows over the vocabulary: unembedded many at a time, handed out few at a time.

One product of many rows reads the unembedding once. What is computed of its rows afterwards (softmax, entropy, ranks)
is bound by memory unless they stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from headscope.analysis.interfaces import WhiteBoxBackend

CHUNK_ELEMENTS = 1 << 23
"""Most float32 values one temporary over the vocabulary may hold: 32 MiB, which the allocator keeps for the next one
instead of having the system clear new pages."""
BLOCK_ELEMENTS = 1 << 19
"""Float32 values (2 MiB) that a core's cache holds."""


def chunk_rows(vocab_size: int) -> int:
    """How many rows over the vocabulary fit in one bounded temporary."""
    return max(1, CHUNK_ELEMENTS // vocab_size)


def logit_blocks(backend: WhiteBoxBackend, states: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Logits float32 `[n, V]` of residuals `[N, d]`, a few rows at a time, and which rows they are. Without a graph;
    the caller may write into them."""
    size, start = chunk_rows(backend.info.vocab_size), 0
    for chunk in torch.split(states, size):
        with torch.no_grad():
            logits = backend.unembed(chunk).float()
        for block in in_blocks(logits):
            yield slice(start, start + len(block)), block
            start += len(block)


def in_blocks(logits: Tensor) -> tuple[Tensor, ...]:
    """Rows `[N, V]` as views of few rows that the processor's cache holds; all at once on another device."""
    on_cpu = logits.device.type == "cpu"
    return torch.split(logits, max(1, BLOCK_ELEMENTS // logits.shape[-1]) if on_cpu else max(1, len(logits)))
