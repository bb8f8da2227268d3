"""What a request will need, told before it starts: time, memory for its largest batch, bytes kept in the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headscope.analysis.registry import Cost, Entry
from headscope.analysis.registry.entry import UNITS
from headscope.analysis.types import HEAD_STATS, LAYER_STATS, ModelInfo

_FLOAT, _HALF, _CANDIDATES, _TEXT = 4, 2, 20, 8
_PER_HEAD = {"attention_raw", "attention_x_gradient"}


@dataclass(frozen=True, slots=True)
class Preflight:
    """Prediction for a request. memory_bytes: of one worker beside the model, in its largest batch; stored_bytes:
    arrays before compression, attention artifacts included; longest: tokens of the longest prompt. passes: forward
    passes a prompt, on average; seconds: what they take on one worker, by the speed of a pass measured here (0: not
    known). Both are upper bounds: what converges early, or is shared, takes less. warning: what is wrong with the
    model.
    """

    n_prompts: int
    n_batches: int
    longest: int
    memory_bytes: int
    stored_bytes: int
    warning: str = ""
    passes: float = 0.0
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Size:
    """How long a prompt is."""

    tokens: int
    words: int
    sentences: int = 1

    def units(self, kind: str) -> int:
        """How many units of a kind there are."""
        return {"token": self.tokens, "sentence": self.sentences}.get(kind, self.words)


_BACKWARD = 2.0
"""The shared backward pass, in forward passes."""


def passes(asked: Sequence[tuple[Entry, Mapping[str, Any]]], size: Size, info: ModelInfo) -> float:
    """Forward passes over one prompt that entries with these parameters (in full) take, the shared pass included."""
    shared = shared_passes(entry for entry, _ in asked)
    return shared + sum(own_passes(entry.cost, params, size, info) for entry, params in asked)


def shared_passes(asked: Iterable[Entry]) -> float:
    """Forward passes of what all analyses of a prompt share."""
    return 1.0 + (_BACKWARD if any(entry.needs.gradients for entry in asked) else 0.0)


def own_passes(cost: Cost, params: Mapping[str, Any], size: Size, info: ModelInfo) -> float:
    """Forward passes over one prompt beside the shared ones."""
    units = {kind: size.units(kind) for kind in UNITS}
    return cost.forwards(params, {**units, "head": info.n_layers * info.n_heads, "cell": info.n_layers * size.tokens})


def stored_bytes(info: ModelInfo, length: int, analyses: Collection[str], methods: Collection[str]) -> int:
    """Bytes of the arrays one prompt of `length` tokens leaves in the store, before compression."""
    layers, heads = info.n_layers, info.n_heads
    total = length * (5 * _FLOAT + _CANDIDATES * (2 * _FLOAT + _TEXT))
    if "heads" in analyses:
        total += len(HEAD_STATS) * layers * heads * _FLOAT
    if "layers" in analyses:
        total += layers * (len(LAYER_STATS) + length) * _FLOAT
    if "logit_lens" in analyses:
        total += layers * length * (3 * _FLOAT + _TEXT)
    if "attention" in analyses:
        total += layers * heads * length * length * _HALF
    for name in methods:
        total += (layers * heads if name in _PER_HEAD else layers + 2) * length * _FLOAT
    return total


def preflight(
    info: ModelInfo,
    lengths: Sequence[int],
    batch_bytes: Sequence[int],
    analyses: Collection[str],
    methods: Collection[str],
) -> Preflight:
    """The prediction for prompts of `lengths` tokens in batches that need `batch_bytes` of memory each."""
    return Preflight(
        n_prompts=len(lengths),
        n_batches=len(batch_bytes),
        longest=max(lengths, default=0),
        memory_bytes=max(batch_bytes, default=0),
        stored_bytes=sum(stored_bytes(info, length, analyses, methods) for length in lengths),
    )
