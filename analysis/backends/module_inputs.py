"""What modules are called with while a model runs; the counterpart of watching what they return."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def entering(modules: Sequence[nn.Module]) -> Iterator[list[tuple[Tensor, tuple[Any, ...], dict[str, Any]]]]:
    """Keeps what each module is called with, in the order of the calls: hidden states, other arguments, by name.

    Before any edit of what it reads: to call it so again makes the edit again.
    """
    seen: list[tuple[Tensor, tuple[Any, ...], dict[str, Any]]] = []

    def enter(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        named = dict(kwargs)
        hidden = args[0] if args else named.pop("hidden_states")
        seen.append((hidden, args[1:], named))

    handles = [module.register_forward_pre_hook(enter, prepend=True, with_kwargs=True) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
