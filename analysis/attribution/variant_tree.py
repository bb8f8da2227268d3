"""Variants of prompts as a tree: those that agree up to a token share what the model computed that far.

A causal model reads a token after those before it only. All coalitions of n tokens cost about 2^(n+1) tokens where what
is removed is replaced, and 2^n where it is deleted, not n 2^n; the branches of all prompts of a batch share passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headscope.analysis.backends.prefix import Prefix
from headscope.analysis.backends.unembedding import to_logits
from headscope.analysis.types import ModelInfo, Target
from headscope.analysis.vocabulary import chunk_rows
from headscope.analysis.workspace import Workspace, quantities

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Float64 = NDArray[np.float64]
ABSENT, END = -1, -2
BYTES = 1 << 29
"""Keys and values kept at once; more variants than that are walked one part after another."""
PASS, COPY = 48.0, 1 / 32
"""What a pass costs however few rows it has, and what it costs to hand a row one token that was read before: both in
tokens that are read (models of 100 to 1,500 million parameters on 2 cores: 30 to 70, and 1/40 to 1/20)."""


@dataclass(frozen=True, slots=True)
class Variants:
    """N different variants: prompts int64 `[N]`, the prompt of the batch each is one of; places int64 `[N, length]`,
    which of its tokens stands at each place: `ABSENT` where one was replaced, `END` after the last; targets int64
    `[N]`, which target is asked for after it."""

    prompts: Ints
    places: Ints
    targets: Ints

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def lengths(self) -> Ints:
        """Tokens of each, int64 `[N]`."""
        found: Ints = (self.places != END).sum(1)
        return found

    def part(self, index: Ints) -> Variants:
        """Some of them, cut to the longest."""
        chosen = self.places[index]
        longest = int((chosen != END).sum(1).max(initial=0))
        return Variants(self.prompts[index], chosen[:, :longest], self.targets[index])

    def in_order(self) -> Ints:
        """The order in which neighbours agree in as many tokens as possible, int64 `[N]`."""
        return np.lexsort([*self.places.T[::-1], self.prompts])

    def branches(self) -> Bools:
        """Where a variant is the first, `in_order`, to stand at a node of the tree, bool `[N, length]`."""
        differs = np.ones(self.places.shape, dtype=bool)
        differs[1:] = (np.diff(self.places, axis=0) != 0) | (np.diff(self.prompts) != 0)[:, None]
        found: Bools = np.logical_or.accumulate(differs, axis=1) & (self.places != END)
        return found

    def embeddings(self, work: Workspace, absent: Tensor | None) -> Tensor:
        """What the model reads, `[N, length, d]`; `absent` `[d]` stands for replaced tokens."""
        here = work.embeddings
        places = torch.from_numpy(self.places).to(here.device)
        rows = here[torch.from_numpy(self.prompts).to(here.device)[:, None], places.clamp(min=0)]
        return rows if absent is None else torch.where((places == ABSENT)[..., None], absent, rows)


def tree_cost(variants: Variants) -> float:
    """What the tree of these variants costs to walk, in tokens that are read."""
    ordered = variants.part(variants.in_order())
    return _cheapest(ordered.branches(), ordered.places != END)[0]


def _cheapest(branches: Bools, there: Bools) -> tuple[float, list[int]]:
    """The cost of a walk, and where its passes end: one that reads several places reads them for every node of the
    last, so that few branches on the way are read twice; no pass goes beyond where a variant ends."""
    nodes, length = branches.sum(0), there.shape[1]
    ends = np.flatnonzero((there[:, 1:] != there[:, :-1]).any(0)) + 1
    costs, before = np.zeros(length + 1), np.zeros(length + 1, dtype=np.int64)
    for stop in range(1, length + 1):
        first = int(ends[ends < stop].max(initial=0))
        starts = np.arange(first, stop)
        found = costs[starts] + PASS + nodes[stop - 1] * (stop - starts + COPY * starts)
        best = int(found.argmin())
        costs[stop], before[stop] = found[best], starts[best]
    stops, at = [], length
    while at:
        stops.append(at)
        at = int(before[at])
    return float(costs[length]), stops[::-1]


@torch.no_grad()
def tree_values(work: Workspace, targets: Sequence[Target], variants: Variants, absent: Tensor | None) -> Float64:
    """The explained quantity after the last token of each variant, float64 `[N]`. The model must be able to read on
    from a prefix (`why_no_prefix`)."""
    values = np.empty(len(variants))
    order = variants.in_order()
    size = max(2, BYTES // (kv_bytes(work.backend.info) * max(1, variants.places.shape[1])))
    for start in range(0, len(order), size):
        part = order[start : start + size]
        for rows, hidden in _walk(work, variants.part(part), absent):
            asked = [targets[index] for index in variants.targets[part[rows]].tolist()]
            values[part[rows]] = _quantities(work, hidden, asked)
    return values


def _walk(work: Workspace, variants: Variants, absent: Tensor | None) -> Iterator[tuple[Ints, Tensor]]:
    """Variants that end, and the last hidden state `[n, d]` of each, from the root of the tree to its leaves."""
    branches, there = variants.branches(), variants.places != END
    nodes, length = np.cumsum(branches, axis=0) - 1, there.shape[1]
    prefix: Prefix | None = None
    start = 0
    for stop in _cheapest(branches, there)[1]:
        first = np.flatnonzero(branches[:, stop - 1])
        if prefix is not None:
            prefix = prefix.rows(torch.from_numpy(nodes[first, start - 1]))
        new = Variants(variants.prompts[first], variants.places[first, start:stop], variants.targets[first])
        hidden, prefix = work.backend.read(new.embeddings(work, absent), prefix)
        last = there[:, stop - 1] & (~there[:, stop] if stop < length else True)
        if last.any():
            ended = np.flatnonzero(last)
            yield ended, hidden[torch.from_numpy(nodes[ended, stop - 1]), -1]
        start = stop


def _quantities(work: Workspace, hidden: Tensor, targets: Sequence[Target]) -> Float64:
    size = chunk_rows(work.backend.info.vocab_size)
    parts = [slice(start, start + size) for start in range(0, len(hidden), size)]
    found = [quantities(to_logits(work.backend.model, hidden[part]).float(), targets[part]) for part in parts]
    values: Float64 = torch.cat(found).cpu().double().numpy()
    return values


def kv_bytes(info: ModelInfo) -> int:
    """Keys and values of one token in every layer, float32."""
    return 8 * info.n_layers * info.d_model * info.n_kv_heads // max(1, info.n_heads)
