"""Looking at what modules return while a model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def watching(modules: Sequence[nn.Module], element: int = 0) -> Iterator[list[Tensor | None]]:
    """Keeps what each module returns in the passes inside the block (references, no copies).

    `element` chooses from a tuple; a module that returns a bare tensor has element 0 only.
    """
    kept: list[Tensor | None] = [None] * len(modules)

    def keep(index: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            parts = output if isinstance(output, tuple) else (output,)
            kept[index] = parts[element] if element < len(parts) else None

        return hook

    handles = [module.register_forward_hook(keep(index)) for index, module in enumerate(modules)]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True, slots=True)
class Passage:
    """What each module got first and gave first in one pass, by the module's `id`; only tensors are kept."""

    entered: dict[int, Tensor] = field(default_factory=dict)
    left: dict[int, Tensor] = field(default_factory=dict)


@contextmanager
def passage(modules: Sequence[nn.Module]) -> Iterator[Passage]:
    """Remembers the first input and output of every module in the pass inside the block (references, no copies)."""
    seen = Passage()

    def remember(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        given = args[0] if args else kwargs.get("hidden_states")
        returned = output[0] if isinstance(output, tuple) and output else output
        for kept, tensor in ((seen.entered, given), (seen.left, returned)):
            if isinstance(tensor, Tensor):
                kept[id(module)] = tensor

    handles = [module.register_forward_hook(remember, with_kwargs=True) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def complete(kept: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """The kept tensors, or an empty tuple when a module returned none."""
    found = tuple(tensor for tensor in kept if tensor is not None)
    return found if len(found) == len(kept) else ()


def last_hidden(output: Any) -> Tensor:
    """The hidden states a base model returns."""
    hidden: Tensor = output.last_hidden_state if hasattr(output, "last_hidden_state") else output[0]
    return hidden


def close(found: Tensor, expected: Tensor) -> bool:
    """Equal up to rounding, relative to the largest value."""
    if found.shape != expected.shape:
        return False
    tolerance = 1e-4 if expected.dtype == torch.float32 else 5e-2
    scale = expected.abs().max().clamp_min(1e-6)
    return bool(((found - expected).abs().max() / scale) < tolerance)
