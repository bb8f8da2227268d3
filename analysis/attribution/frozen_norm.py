"""Norms with their denominator held constant, which makes them linear but for their bias.

Families write the same norm in different ways (Gemma scales by one plus its weight, Llama by its weight), and a class
name does not say which. So the known forms are tried on the module itself: one that gives other numbers is not it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

KNOWN = "LayerNorm or RMSNorm, scaled by its weight or by one plus its weight"
_FORMS = tuple((centred, shift) for centred in (False, True) for shift in (0.0, 1.0))
_form_of: WeakKeyDictionary[nn.Module, tuple[bool, float] | None] = WeakKeyDictionary()


def is_norm(module: nn.Module) -> bool:
    """Whether its class calls itself a norm."""
    return "Norm" in type(module).__name__ and not any(True for _ in module.children())


def frozen_norm(module: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """The norm with its denominator held constant (and so linear but for its bias); None for no norm we know."""
    if module not in _form_of:
        _form_of[module] = _find(module)
    form = _form_of[module]
    return None if form is None else lambda x: _apply(module, x, *form)


def unknown_norm(module: nn.Module, place: str) -> str:
    """The sentence for a norm that is none of the known ones; `place` begins it."""
    return f"{place}, {type(module).__name__}, is none of those known here ({KNOWN})"


@torch.no_grad()
def _find(module: nn.Module) -> tuple[bool, float] | None:
    weight = getattr(module, "weight", None)
    if not is_norm(module) or not isinstance(weight, Tensor) or _epsilon(module) is None:
        return None
    probe = torch.linspace(-1, 2, weight.numel(), dtype=weight.dtype, device=weight.device).view(1, *weight.shape)
    expected: Tensor = type(module).forward(module, probe)  # without its hooks: nobody is to see this call
    tolerance = 1e-4 if weight.dtype == torch.float32 else 5e-2
    for form in _FORMS:
        if bool((_apply(module, probe, *form) - expected).abs().max() <= tolerance * expected.abs().max()):
            return form
    return None


def _apply(module: Any, x: Tensor, centred: bool, shift: float) -> Tensor:
    wide = x.float()
    if centred:
        wide = wide - wide.mean(-1, keepdim=True)
    size = (wide.pow(2).mean(-1, keepdim=True) + (_epsilon(module) or 0.0)).rsqrt().detach()
    normed: Tensor = (wide * size * (module.weight.float() + shift)).to(x.dtype)
    bias: Tensor | None = getattr(module, "bias", None)
    return normed if bias is None else normed + bias


def _epsilon(module: Any) -> float | None:
    epsilon = getattr(module, "variance_epsilon", None)
    found: float | None = getattr(module, "eps", None) if epsilon is None else epsilon
    return found
