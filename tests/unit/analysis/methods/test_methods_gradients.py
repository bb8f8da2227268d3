"""Saliency and gradient x input against captum, finite differences and broken models."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient as CaptumInputXGradient
from captum.attr import Saliency as CaptumSaliency
from torch import Tensor

from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.input_x_gradient import InputXGradient
from headscope.analysis.methods.saliency import Saliency
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXTS = ("The quick fox found a small door", "One two three", "She thinks that he thinks")


def prepared(
    backend: HFCausalBackend, foil: bool = False, capture: Capture | None = None
) -> tuple[Workspace, list[Target]]:
    work = Workspace(backend, [backend.tokenize(text) for text in TEXTS], capture or Capture(gradients=True))
    targets = []
    for text, logprobs in zip(work.texts, work.next_logprobs, strict=True):
        order = [" the", " a"] if foil else [" the", None]
        targets.append(backend.resolve_target(text, order[0], order[1], logprobs))
    return work, targets


def quantity(backend: HFCausalBackend, target: Target) -> Callable[[Tensor], Tensor]:
    """The explained quantity as a function of embeddings `[B, T, d]`, by the model's own interface."""

    def forward(embeddings: Tensor) -> Tensor:
        logprobs = torch.log_softmax(backend.model(inputs_embeds=embeddings).logits[:, -1], -1)
        value: Tensor = logprobs[:, target.token_id]
        return value - logprobs[:, target.foil_id] if target.foil_id >= 0 else value

    return forward


@pytest.mark.parametrize("foil", [False, True])
@pytest.mark.parametrize("attention", [False, True])
def test_a_batch_equals_captum_on_each_prompt(backend: HFCausalBackend, foil: bool, attention: bool) -> None:
    work, targets = prepared(backend, foil, Capture(gradients=True, attention=attention))
    l2 = Saliency().attribute(work, targets, {})
    l1 = Saliency().attribute(work, targets, {"norm": "l1"})
    product = InputXGradient().attribute(work, targets, {})
    for index, (text, target) in enumerate(zip(work.texts, targets, strict=True)):
        embeddings = backend.embed(backend.batch([text])).requires_grad_()
        gradient = CaptumSaliency(quantity(backend, target)).attribute(embeddings, abs=False)[0]
        np.testing.assert_allclose(l2[index].scores, gradient.norm(dim=-1), rtol=2e-3, atol=1e-5)
        np.testing.assert_allclose(l1[index].scores, gradient.abs().sum(-1), rtol=2e-3, atol=1e-5)
        expected = CaptumInputXGradient(quantity(backend, target)).attribute(embeddings)[0].sum(-1).detach()
        np.testing.assert_allclose(product[index].scores, expected, rtol=2e-3, atol=1e-5)
        value = float(quantity(backend, target)(embeddings.detach())[0])
        assert l2[index].value == pytest.approx(value, abs=1e-4)
        assert l2[index].quantity == ("logprob_difference" if foil else "logprob")
        assert l2[index].foil == target.foil_text


def test_the_gradient_is_the_slope(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend)
    gradient = work.embedding_gradient(targets).gradient
    generator = torch.Generator().manual_seed(3)
    for index, (text, target) in enumerate(zip(work.texts, targets, strict=True)):
        model = quantity(backend, target)
        embeddings = backend.embed(backend.batch([text]))
        direction = torch.randn(embeddings.shape, generator=generator)
        step = 1e-2
        with torch.no_grad():
            slope = (model(embeddings + step * direction) - model(embeddings - step * direction)) / (2 * step)
        assert float((gradient[index, : len(text)] * direction[0]).sum()) == pytest.approx(
            float(slope), rel=0.05, abs=0.02
        )


def test_padding_gets_no_gradient_and_targets_are_cached(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend)
    first = work.embedding_gradient(targets)
    for index, text in enumerate(work.texts):
        assert bool((first.gradient[index, len(text) :] == 0).all())
    assert work.embedding_gradient(list(targets)) is first


def test_other_targets_get_a_pass_of_their_own(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend)
    _, contrasted = prepared(backend, foil=True)
    work.embedding_gradient(targets)
    again = work.embedding_gradient(contrasted)
    other, _ = prepared(backend)
    expected = other.embedding_gradient(contrasted)
    torch.testing.assert_close(again.gradient, expected.gradient, rtol=1e-4, atol=1e-5)


def test_mixed_targets_with_and_without_foil(backend: HFCausalBackend) -> None:
    work, plain = prepared(backend)
    _, contrasted = prepared(backend, foil=True)
    mixed = work.embedding_gradient([plain[0], contrasted[1], plain[2]])
    torch.testing.assert_close(mixed.gradient[0], work.embedding_gradient(plain).gradient[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mixed.gradient[1], work.embedding_gradient(contrasted).gradient[1], rtol=1e-4, atol=1e-5)


def test_a_nan_gradient_is_a_failed_attribution(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend)
    shared = work.embedding_gradient(targets)
    shared.gradient[1, 0, 0] = float("nan")
    for method in (Saliency(), InputXGradient()):
        good, bad, other = method.attribute(work, targets, {})
        assert good.error is None
        assert other.error is None
        assert bad.error is not None
        assert "NaN" in bad.error
        assert bad.scores.size == 0
