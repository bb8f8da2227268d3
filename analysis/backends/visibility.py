"""Which keys the attention of each layer lets a query see: all before it, a window of them, a chunk of them.

Read from the masks that a pass hands to its attention modules and from those that modules keep, never from the weights:
a weight of 0 does not say whether its key was hidden.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_NAMES = ("attention_mask", "causal_mask", "mask")
_ROUNDING = 0.02  # bfloat16 over the few keys of the short pass at load


@contextmanager
def watching_masks(modules: Sequence[nn.Module]) -> Iterator[list[Tensor | None]]:
    """Keeps the mask each module is given in the passes inside the block (references, no copies)."""
    kept: list[Tensor | None] = [None] * len(modules)

    def keep(index: int, parameters: inspect.Signature) -> Any:
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given = parameters.bind_partial(*args, **kwargs).arguments
            given |= given.get("kwargs", {})
            masks = (given.get(name) for name in _NAMES)
            kept[index] = next((mask for mask in masks if isinstance(mask, Tensor)), None)

        return hook

    handles = [
        module.register_forward_pre_hook(keep(index, inspect.signature(module.forward)), with_kwargs=True)
        for index, module in enumerate(modules)
    ]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def visible_keys(modules: Sequence[nn.Module], masks: Sequence[Tensor | None], length: int) -> tuple[Tensor, ...]:
    """One bool tensor `[query, key]` per layer; layers that see the same keys share one tensor."""
    found: list[Tensor] = []
    for module, mask in zip(modules, masks, strict=True):
        layer = torch.ones(length, length, dtype=torch.bool).tril()
        for part in (mask, *(buffer for buffer in module.buffers() if buffer.dtype == torch.bool)):
            if part is not None:
                layer &= _allowed(part, length)
        found.append(next((other for other in found if torch.equal(other, layer)), layer))
    return tuple(found)


def _allowed(mask: Tensor, length: int) -> Tensor:
    """The keys a mask `[..., query, key]` leaves, or all when it is no mask over queries and keys.

    A mask is added to the scores or names cells; which cells it names shows in the diagonal, for a query always sees
    itself. (Prompts are not masked for their padding, so those of a batch have one mask.)
    """
    everything = torch.ones(length, length, dtype=torch.bool)
    if mask.dim() < 2 or min(mask.shape[-2:]) < length:
        return everything
    cells = mask.detach().reshape(-1, *mask.shape[-2:])[0, :length, :length].cpu()
    if cells.is_floating_point():
        cells = cells > torch.finfo(cells.dtype).min / 2
    own = cells.bool().diagonal()
    if bool(own.all()):
        return cells.bool()
    return everything if bool(own.any()) else ~cells.bool()


def is_attention(weights: Tensor) -> bool:
    """Whether a layer's output can be attention weights: no later key, rows that sum to at most 1."""
    return (
        weights.dim() == 4 and bool(weights.triu(1).abs().max() == 0) and bool((_sums(weights) < 1 + _ROUNDING).all())
    )


def has_sink(weights: Tensor) -> bool:
    """Whether rows sum to less than 1 by more than rounding: a learned sink takes the rest (gpt-oss)."""
    return bool((_sums(weights) < 1 - _ROUNDING).any())


def _sums(weights: Tensor) -> Tensor:
    return weights.detach().float().sum(-1)
