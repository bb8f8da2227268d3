"""Every coalition of a prompt's units at once, as a tree: coalitions that agree up to a token share what they computed.

A causal model reads a token after those before it only. n units of one token cost about 2^(n+1) tokens, not n 2^n.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.attribution.masking import Bools, Float64, neutral
from headscope.analysis.backends.prefix import Prefix, why_no_prefix
from headscope.analysis.backends.unembedding import to_logits
from headscope.analysis.types import ModelInfo, Target
from headscope.analysis.workspace import Workspace, chunk_rows, quantities

FEWEST = 6
"""Fewer units are quicker all at once: the first branches are passes of a few tokens."""
BYTES = 1 << 30
"""Keys and values kept at once; beyond it the tree is walked branch by branch."""


def tree_values(
    work: Workspace, target: Target, prompt: int, units: Sequence[Bools], masking: str
) -> Float64 | None:  # fmt: skip
    """The explained quantity of every coalition, float64 `[2^n]`; bit i of the index says that unit i is there.

    None where a tree does not serve: few units, a masking that deletes, units that are no stretches in order, a model
    without a cache to read on from.
    """
    end = int(work.positions[prompt]) + 1
    segments = _segments(units, end)
    if len(units) < FEWEST or masking == "delete" or segments is None or why_no_prefix(work.backend) is not None:
        return None
    here, absent = work.embeddings[prompt, :end].detach(), neutral(work.backend, masking)
    return _Tree(work, target, segments, here, absent, 2 ** len(units)).walk()


def _segments(units: Sequence[Bools], end: int) -> list[tuple[slice, bool]] | None:
    """Stretches of tokens in order and whether each is a unit; None when units are not stretches in this order."""
    segments: list[tuple[slice, bool]] = []
    at = 0
    for unit in units:
        tokens = np.flatnonzero(unit)
        if tokens[0] < at or tokens[-1] - tokens[0] + 1 != len(tokens):
            return None
        if tokens[0] > at:
            segments.append((slice(at, int(tokens[0])), False))
        segments.append((slice(int(tokens[0]), int(tokens[-1]) + 1), True))
        at = int(tokens[-1]) + 1
    return [*segments, (slice(at, end), False)] if at < end else segments


class _Tree:
    def __init__(
        self,
        work: Workspace,
        target: Target,
        segments: Sequence[tuple[slice, bool]],
        here: Tensor,
        absent: Tensor,
        size: int,
    ) -> None:
        self._backend, self._target, self._segments = work.backend, target, segments
        self._here, self._absent = here, absent
        self._values = np.empty(size)
        self._most = max(2, BYTES // (kv_bytes(work.backend.info) * len(here)))

    @torch.no_grad()
    def walk(self) -> Float64:
        """Values of all leaves."""
        self._grow(0, None, np.zeros(1, dtype=np.int64), 0)
        return self._values

    def _grow(self, step: int, prefix: Prefix | None, index: np.ndarray, depth: int) -> None:
        """From the coalitions `index` of the first `depth` units on, which share no more than `prefix`."""
        part, is_unit = self._segments[step]
        if is_unit and 2 * len(index) > self._most and len(index) > 1:
            for half in np.array_split(np.arange(len(index)), 2):
                kept = None if prefix is None else prefix.rows(torch.from_numpy(half))
                self._grow(step, kept, index[half], depth)
            return
        rows = self._here[part].expand(len(index), -1, -1)
        if is_unit:
            without = self._absent.expand_as(rows)
            rows, index = torch.cat([without, rows]), np.concatenate([index, index + (1 << depth)])
            if prefix is not None:
                prefix = prefix.rows(torch.arange(len(index) // 2).repeat(2))
        hidden, following = self._backend.read(rows, prefix)
        if step + 1 < len(self._segments):
            self._grow(step + 1, following, index, depth + is_unit)
        else:
            self._values[index] = self._quantity(hidden[:, -1])

    def _quantity(self, hidden: Tensor) -> Float64:
        parts = torch.split(hidden, chunk_rows(self._backend.info.vocab_size))
        found = [quantities(to_logits(self._backend.model, rows).float(), [self._target] * len(rows)) for rows in parts]
        values: Float64 = torch.cat(found).cpu().double().numpy()
        return values


def kv_bytes(info: ModelInfo) -> int:
    """Keys and values of one token in every layer, float32."""
    return 8 * info.n_layers * info.d_model * info.n_kv_heads // max(1, info.n_heads)
