"""Tokens that many rows share, read once: later tokens read their keys and values (the cache of generation)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headscope.analysis.backends.once import once_per_model

if TYPE_CHECKING:
    from headscope.analysis.interfaces import WhiteBoxBackend


@dataclass(frozen=True, slots=True)
class Prefix:
    """Keys and values of `length` tokens in some rows. Reading on from it changes it: `rows` gives copies."""

    cache: Any
    length: int

    def rows(self, index: Tensor) -> Prefix:
        """The prefix of other rows: row n is that of row `index[n]`."""
        chosen = copy.copy(self.cache)  # not deep: to choose rows makes new tensors, and leaves those of `self`
        chosen.layers = [copy.copy(layer) for layer in self.cache.layers]
        chosen.batch_select_indices(index)
        return Prefix(chosen, self.length)


@once_per_model
@torch.no_grad()
def why_no_prefix(backend: WhiteBoxBackend) -> str | None:
    """Why this model cannot read on from a prefix, or None. Tries it on a short made-up batch."""
    embedding: Any = backend.model.get_input_embeddings()  # type: ignore[operator]
    ids = (torch.arange(10, device=embedding.weight.device).view(2, 5) * 7 + 1) % backend.info.vocab_size
    embeddings = embedding(ids)
    try:
        whole, _ = backend.read(embeddings)
        _, first = backend.read(embeddings[:, :2])
        rows = torch.tensor([1, 0, 1], device=ids.device)
        rest, _ = backend.read(embeddings[rows, 2:], first.rows(rows))
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, NotImplementedError) as error:
        return f"{backend.info.architecture} cannot read on from a cache ({error})"
    tolerance = 1e-4 if whole.dtype == torch.float32 else 5e-2
    if not (rest - whole[rows, 2:]).abs().max() <= tolerance * whole.abs().max().clamp_min(1e-6):
        return f"{backend.info.architecture}, reading on from a cache, does not give what the whole prompt gives"
    return None
