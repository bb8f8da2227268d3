"""How a logit is read from the last residual stream: final norm, then one row of the unembedding.

With the norm's denominator held at its value, the reading is linear, so a logit is a sum over whatever adds up to the
residual stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from headscope.analysis.backends.once import once_per_model
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.types import Target


def frozen_norm(module: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """The norm with its denominator held constant (and so linear but for its bias); None for no norm we know."""
    if isinstance(module, nn.LayerNorm):
        return lambda x: _layer_norm(module, x)
    if "RMSNorm" in type(module).__name__ and isinstance(getattr(module, "weight", None), Tensor):
        return lambda x: _rms_norm(module, x)
    return None


def _layer_norm(module: nn.LayerNorm, x: Tensor) -> Tensor:
    deviation = (x.var(-1, unbiased=False, keepdim=True) + module.eps).sqrt().detach()
    y: Tensor = (x - x.mean(-1, keepdim=True)) / deviation * module.weight
    return y if module.bias is None else y + module.bias


def _rms_norm(module: Any, x: Tensor) -> Tensor:
    wide = x.float()
    epsilon = getattr(module, "variance_epsilon", None)
    size = wide.pow(2).mean(-1, keepdim=True) + (module.eps if epsilon is None else epsilon)
    normed: Tensor = module.weight * (wide * size.rsqrt().detach()).to(x.dtype)
    return normed


def target_direction(backend: WhiteBoxBackend, targets: Sequence[Target]) -> tuple[Tensor, Tensor]:
    """What the explained logit reads from the final-normed state: weights `[B, d]`, bias `[B]`; minus the foil's."""
    head: Any = backend.model.get_output_embeddings()  # type: ignore[operator]
    chosen = torch.tensor([target.token_id for target in targets])
    foils = torch.tensor([target.foil_id for target in targets])
    weight, bias = head.weight.detach(), getattr(head, "bias", None)
    contrasted = (foils >= 0).float().to(weight.device)
    bias = torch.zeros(len(weight), device=weight.device) if bias is None else bias.detach().float()
    foils = foils.clamp(min=0)
    direction = weight[chosen] - weight[foils] * contrasted[:, None].to(weight.dtype)
    return direction, bias[chosen] - bias[foils] * contrasted


def logit_reading(backend: WhiteBoxBackend, last: Tensor, targets: Sequence[Target]) -> tuple[Tensor, Tensor]:
    """How the explained logit depends on the last residual `[B, d]`: weights `[B, d]` and a constant `[B]`.

    logit = (last * weights).sum(-1) + constant, exact at `last` itself; the constant is made of biases.
    """
    norm = frozen_norm(backend.structure.tail[0])
    if norm is None:
        raise TypeError(f"the final norm of {backend.info.architecture} is unknown (see why_no_reading)")
    direction, offset = target_direction(backend, targets)
    with torch.enable_grad():
        rows = last.detach().requires_grad_()
        logits = (norm(rows) * direction).sum(-1)
        (weights,) = torch.autograd.grad(logits.sum(), rows)
    return weights, (logits.detach() - (rows.detach() * weights).sum(-1)).float() + offset


def explaining_logit(target: Target) -> Target:
    """The target with its logit as the quantity; with a foil the two quantities are equal and the asked one stays."""
    return target if target.foil_id >= 0 else replace(target, quantity="logit")


@once_per_model
def why_no_reading(backend: WhiteBoxBackend) -> str | None:
    """Why the logit is not a linear reading of the last residual, its norm's denominator held; None when it is."""
    name, tail = backend.info.architecture, backend.structure.tail
    frozen = frozen_norm(tail[0]) if len(tail) == 1 else None
    if frozen is None:
        return f"the final norm of {name} is none of those known here (LayerNorm, RMSNorm)"
    capped = f"the logits of {name} are capped or scaled after the unembedding, so they are no sum of contributions"
    config: Any = backend.model.config
    if getattr(config, "final_logit_softcapping", None):  # too little to be seen at small logits
        return capped
    with torch.no_grad():
        some = next(backend.model.parameters())
        probe = torch.linspace(-1, 1, backend.info.d_model, dtype=some.dtype, device=some.device)[None]
        logits = backend.unembed(probe)[0].float()
        largest = int(logits.abs().argmax())  # a small one is a difference of large terms, and so mostly rounding
        direction, offset = target_direction(backend, [Target(largest, "", 1, "given", 0.0, 1)])
        found = (frozen(probe) * direction).sum(-1).float() + offset
    tolerance = 1e-2 if backend.info.ref.dtype == "float32" else 5e-2
    if not torch.allclose(found[0], logits[largest], rtol=tolerance, atol=0.0):
        return capped
    return None
