"""Matrix products of frozen layers by oneDNN where PyTorch's own library, MKL, leaves half of the processor unused.

MKL takes the widest vectors (AVX-512) on Intel's processors only; oneDNN, which comes with PyTorch as well, takes them
on AMD's, too: 230 against 105 GFLOP/s a core in the layers of SmolLM2-135M on a Zen 5 (benchmarks/linear_layers.py).
Float32 stays float32: only the order of additions differs.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

NARROWEST = 128
"""Numbers in and out of a layer below which MKL is as fast: oneDNN first writes a program for each number of rows that
it meets (half a millisecond)."""
_CPUINFO = Path("/proc/cpuinfo")


def quicken(model: nn.Module) -> int:
    """Let the frozen float32 linear layers of a model on the CPU multiply by oneDNN, where that is faster; how many do.
    What goes in has its gradient; a layer whose weights are trained stays as it is."""
    if not faster_here():
        return 0
    layers = [module for module in model.modules() if type(module) in _WEIGHTS and _fits(module)]
    for layer in layers:
        layer.forward = partial(_forward, layer, layer.forward)
    return len(layers)


@cache
def faster_here() -> bool:
    """Whether this processor is AMD's and has AVX-512, and this PyTorch the product: it does not promise to keep it."""
    onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    there = onednn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    if not there or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    return _CPUINFO.is_file() and "AuthenticAMD" in _CPUINFO.read_text(encoding="utf-8", errors="replace")


_WEIGHTS = {nn.Linear: lambda layer: layer.weight, Conv1D: lambda layer: layer.weight.t()}
"""Layer -> weights `[out, in]`."""


def _fits(layer: Any) -> bool:
    weight = layer.weight
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32
    return plain and not weight.requires_grad and min(weight.shape) >= NARROWEST


def _forward(layer: Any, usual: Any, rows: Tensor) -> Tensor:
    if rows.numel() == 0 or rows.dtype != torch.float32 or rows.device.type != "cpu" or not _fits(layer):
        found: Tensor = usual(rows)
        return found
    weight = _WEIGHTS[type(layer)](layer)
    if torch.is_grad_enabled() and rows.requires_grad:
        product: Tensor = _Product.apply(rows, weight, layer.bias)  # type: ignore[no-untyped-call]
        return product
    return _product(rows, weight, layer.bias)


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise(rows.contiguous(), weight, bias, "none", [], "")
    return found


class _Product(torch.autograd.Function):
    """`rows @ weight.T + bias`, with a gradient for `rows` alone."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.weight = weight
        return _product(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None, None]:
        return _product(above, ctx.weight.t(), None), None, None
