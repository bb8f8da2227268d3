"""Layers that multiply by oneDNN: the same numbers as in double precision, and left alone where they must be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from headscope.analysis.models import products

INSIDE, OUTSIDE, ROWS = 160, 192, 40


@pytest.fixture
def _everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this processor were one of those."""
    monkeypatch.setattr(products, "faster_here", lambda: True)


def layer(kind: str, generator: torch.Generator) -> nn.Module:
    made: nn.Module = Conv1D(OUTSIDE, INSIDE) if kind == "conv1d" else nn.Linear(INSIDE, OUTSIDE, kind != "no bias")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return made.requires_grad_(False)


def expected(made: nn.Module, rows: Tensor) -> Tensor:
    weight, bias = made.weight.double(), getattr(made, "bias", None)
    product = rows.double() @ (weight if isinstance(made, Conv1D) else weight.T)  # type: ignore[operator]
    return product if bias is None else product + bias.double()


@pytest.mark.usefixtures("_everywhere")
@pytest.mark.parametrize("kind", ["linear", "no bias", "conv1d"])
def test_products_and_gradients_are_those_of_double_precision(kind: str) -> None:
    generator = torch.Generator().manual_seed(3)
    made = layer(kind, generator)
    assert products.quicken(made) == 1
    for rows in (
        torch.randn(2, ROWS // 2, INSIDE, generator=generator),
        torch.randn(INSIDE, ROWS, generator=generator).T,  # not contiguous
    ):
        asked = rows.clone().requires_grad_()
        found, wanted = made(asked), expected(made, rows)
        above = torch.randn(found.shape, generator=generator)
        torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-4)
        torch.testing.assert_close(made(rows), found, rtol=0, atol=0)
        (gradient,) = torch.autograd.grad(found, asked, above)
        leaf = rows.double().requires_grad_()
        (wanted_gradient,) = torch.autograd.grad(expected(made, leaf), leaf, above.double())
        torch.testing.assert_close(gradient.double(), wanted_gradient, rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("_everywhere")
def test_it_is_onednn_that_multiplies_any_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    made = layer("linear", torch.Generator().manual_seed(4))
    products.quicken(made)
    asked: list[int] = []
    monkeypatch.setattr(products, "_product", lambda rows, weight, bias: asked.append(len(rows)) or rows @ weight.T)
    for n in (1, 0, 2, 1000):
        assert made(torch.randn(n, INSIDE)).shape == (n, OUTSIDE)
    assert asked == [1, 2, 1000]


def test_a_pytorch_without_the_product_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("vendor_id\t: AuthenticAMD\n")
    monkeypatch.setattr(products, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert products.faster_here.__wrapped__() is True
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert products.faster_here.__wrapped__() is False


@pytest.mark.usefixtures("_everywhere")
def test_layers_that_are_trained_small_or_of_another_type_stay_as_they_are() -> None:
    trained = nn.Linear(INSIDE, OUTSIDE)
    narrow, half = nn.Linear(8, OUTSIDE).requires_grad_(False), nn.Linear(INSIDE, OUTSIDE).half().requires_grad_(False)
    assert [products.quicken(made) for made in (trained, narrow, half)] == [0, 0, 0]


@pytest.mark.usefixtures("_everywhere")
def test_a_layer_that_is_trained_afterwards_has_its_gradient() -> None:
    made = layer("linear", torch.Generator().manual_seed(5))
    products.quicken(made)
    made.requires_grad_(True)
    made(torch.randn(ROWS, INSIDE)).sum().backward()
    assert made.weight.grad is not None  # type: ignore[union-attr]


@pytest.mark.usefixtures("_everywhere")
def test_hooks_see_what_comes_out_and_may_change_it() -> None:
    made = layer("linear", torch.Generator().manual_seed(6))
    products.quicken(made)
    rows = torch.randn(ROWS, INSIDE)
    plain = made(rows)
    made.register_forward_hook(lambda module, inputs, output: output * 2)
    torch.testing.assert_close(made(rows), plain * 2)


def test_elsewhere_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "faster_here", lambda: False)
    made = layer("linear", torch.Generator().manual_seed(7))
    assert products.quicken(made) == 0
    assert "forward" not in vars(made)
