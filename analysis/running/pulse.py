"""How far a batch is while it is at work, by what the model's layers have computed: no method has to count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.types import Beat, OnBeat

SECONDS = 0.25
_WITH_GRAPH = 2
"""A pass there and back, in forward passes: planned as so many (`preflight.Effort.usual`)."""


class Pulse:
    """Counts a batch's forward work and tells of it, at most every `SECONDS`.

    planned: forward passes times tokens, over the whole batch.
    """

    def __init__(self, on_beat: OnBeat, planned: float) -> None:
        self._on_beat, self._planned = on_beat, max(planned, 1.0)
        self._stage, self._done, self._told = "model", 0.0, 0.0

    def at(self, stage: str) -> None:
        """What the batch is at from now on."""
        self._stage = stage
        self._tell()

    @contextmanager
    def listening(self, backend: WhiteBoxBackend) -> Iterator[None]:
        """Inside the block every layer that runs counts."""
        layers = backend.structure.layers
        handles = [layer.register_forward_hook(self._counted(len(layers))) for layer in layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _counted(self, n_layers: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_layer: nn.Module, _inputs: Any, output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple) else output
            if isinstance(hidden, Tensor) and hidden.ndim > 1:
                tokens = hidden.numel() // hidden.shape[-1]
                self._done += tokens * (_WITH_GRAPH if hidden.requires_grad else 1) / n_layers
                self._tell()

        return hook

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told >= SECONDS:
            self._told = now
            self._on_beat(Beat(self._stage, min(1.0, self._done / self._planned)))
