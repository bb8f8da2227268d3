"""How a logit is read from the last residual stream: final norm, then one row of the unembedding.

With the norm's denominator held at its value, the reading is linear, so a logit is a sum over whatever adds up to the
residual stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from headscope.analysis.attribution.frozen_norm import frozen_norm, unknown_norm
from headscope.analysis.backends.once import once_per_model
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.types import Target


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
    weights, constant = through(norm, last, direction)
    return weights, constant + offset


def through(norm: Callable[[Tensor], Tensor], rows: Tensor, reading: Tensor) -> tuple[Tensor, Tensor]:
    """`reading` `[B, d]` of what a frozen norm makes of `rows` `[B, d]`, as a reading of the rows themselves: weights
    `[B, d]` and a constant float32 `[B]` (the norm's bias)."""
    with torch.enable_grad():
        start = rows.detach().requires_grad_()
        read = (norm(start) * reading).sum(-1)
        (weights,) = torch.autograd.grad(read.sum(), start)
    return weights, (read.detach() - (start.detach() * weights).sum(-1)).float()


def explaining_logit(target: Target) -> Target:
    """The target with its logit as the quantity; with a foil the two quantities are equal and the asked one stays."""
    return target if target.foil_id >= 0 else replace(target, quantity="logit")


@once_per_model
def why_no_reading(backend: WhiteBoxBackend) -> str | None:
    """Why the logit is not a linear reading of the last residual, its norm's denominator held; None when it is."""
    name, tail = backend.info.architecture, backend.structure.tail
    if len(tail) != 1:
        return f"between the last layer and the unembedding of {name} lies not one norm but {len(tail)} modules"
    if (frozen := frozen_norm(tail[0])) is None:
        return unknown_norm(tail[0], f"the final norm of {name}")
    config: Any = backend.model.config
    if cap := getattr(config, "final_logit_softcapping", None):  # too little to be seen at small logits
        return f"the logits of {name} are capped at {cap:g} after the unembedding, so they are no sum of contributions"
    with torch.no_grad():
        some = next(backend.model.parameters())
        probe = torch.linspace(-1, 1, backend.info.d_model, dtype=some.dtype, device=some.device)[None]
        logits = backend.unembed(probe)[0].float()
        largest = int(logits.abs().argmax())  # a small one is a difference of large terms, and so mostly rounding
        direction, offset = target_direction(backend, [Target(largest, "", 1, "given", 0.0, 1)])
        found = (frozen(probe) * direction).sum(-1).float() + offset
    tolerance = 1e-2 if backend.info.ref.dtype == "float32" else 5e-2
    if not torch.allclose(found[0], logits[largest], rtol=tolerance, atol=0.0):
        scaled = any(getattr(config, setting, None) for setting in ("logit_scale", "logits_scaling"))
        change = "scaled" if scaled else "changed in a way unknown here"
        return f"the logits of {name} are {change} after the unembedding, so its rows are not what they are read by"
    return None
