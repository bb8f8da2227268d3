"""Heads' outputs, found in the architectures, make up the attention updates; explained quantities as logits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from headscope.analysis.interfaces import Capture
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace, quantities


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_llama"])
def test_the_outputs_of_the_heads_add_up_to_the_attention_update(name: str, request: pytest.FixtureRequest) -> None:
    backend: Any = request.getfixturevalue(name)
    text = backend.tokenize("one two three four")
    seen: list[torch.Tensor] = []
    handles = [
        module.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        for module in backend.structure.head_projections
    ]
    result = backend.forward(backend.batch([text]), Capture(residuals=True))
    for handle in handles:
        handle.remove()
    assert len(seen) == backend.info.n_layers
    for layer, (mixed, update) in enumerate(zip(seen, result.attn_updates, strict=True)):
        weights = backend.head_weights(layer)
        assert weights.shape[0] == backend.info.n_heads
        per_head = torch.einsum("bthe,hed->bthd", mixed.unflatten(-1, weights.shape[:2]), weights)
        bias = getattr(backend.structure.head_projections[layer], "bias", None)
        total = per_head.sum(2) + (0 if bias is None else bias)
        torch.testing.assert_close(total, update, rtol=1e-4, atol=1e-5)


def test_a_logit_is_explained_as_it_is(tiny_gpt2: Any) -> None:
    logits = torch.tensor([[1.0, 3.0, -2.0]]).repeat(3, 1)
    target = Target(1, "b", 1, "given", 0.0, 1)
    values = quantities(
        logits, [target, replace(target, quantity="logit"), replace(target, quantity="logit", foil_id=2)]
    )
    torch.testing.assert_close(values, torch.tensor([3 - torch.logsumexp(logits[0], 0), 3.0, 5.0]))


def test_gradients_reach_the_residuals_and_attention_and_other_embeddings(tiny_llama: Any) -> None:
    text = tiny_llama.tokenize("one two three four")
    target = Target(5, "x", 1, "given", 0.0, 1)
    capture = Capture(attention=True, gradients=True, attention_gradients=True)
    found = Workspace(tiny_llama, [text], capture).embedding_gradient([target])
    assert len(found.residual_gradients) == len(found.attention_gradients) == tiny_llama.info.n_layers
    # the last layer passes on what its own last position receives, nothing else
    assert bool((found.residual_gradients[-1][0, :-1] == 0).all())
    assert float(found.residual_gradients[-1][0, -1].abs().max()) > 0
    moved = Workspace(tiny_llama, [text], Capture(gradients=True), embeddings=found.embeddings * 2)
    again = moved.embedding_gradient([target])
    torch.testing.assert_close(again.embeddings, found.embeddings * 2)
    assert not torch.allclose(again.values, found.values)
