"""The outputs of single heads: where they enter the residual stream, found by trying and checked by their sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from headscope.analysis.backends.watching import Passage, close


def head_projections(
    attentions: Sequence[nn.Module], updates: Sequence[nn.Module], seen: Passage
) -> tuple[nn.Module, ...]:
    """Of each layer the module that maps the heads' outputs to the attention update, or an empty tuple.

    It is the linear map inside the attention whose result is the update itself, or what the update's module reads: a
    norm after the attention (Gemma 2 and 3, OLMo 2). One layer without it, and no layer has any.
    """
    if not updates:
        return ()
    found = [_projection(*layer, seen) for layer in zip(attentions, updates, strict=True)]
    return tuple(module for module in found if module is not None) if None not in found else ()


def projection_weight(module: nn.Module) -> Tensor:
    """Weight `[in, out]` of a linear map, whichever way its class keeps it."""
    kept: Any = module.weight
    weight: Tensor = kept.detach()
    return weight.T if isinstance(module, nn.Linear) else weight


def _is_linear(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.dim() == 2


def _projection(attention: nn.Module, update: nn.Module, seen: Passage) -> nn.Module | None:
    ends = [end for end in (seen.left.get(id(update)), seen.entered.get(id(update))) if end is not None]
    for module in filter(_is_linear, attention.modules()):
        given, output = seen.entered.get(id(module)), seen.left.get(id(module))
        if given is None or output is None:
            continue
        if not any(end.numel() == output.numel() and close(output, end.view_as(output)) for end in ends):
            continue
        bias: Any = getattr(module, "bias", None)
        weight = projection_weight(module)
        if given.shape[-1] == weight.shape[0] and close(given @ weight + (0 if bias is None else bias), output):
            return module
    return None
