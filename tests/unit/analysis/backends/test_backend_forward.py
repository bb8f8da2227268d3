"""The forward pass: padding, captures, gradients and the logit lens, against independent computations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.errors import BackendError, InputError
from headscope.analysis.interfaces import Capture, ForwardResult

EVERYTHING = Capture(attention=True, residuals=True, gradients=True)
TEXTS = (
    "The fox",
    "When the rain stopped, the children ran out of the house.",
    "x",
    "A doctor and a nurse 🙂 sat down",
)


@pytest.fixture
def reference(backend: HFCausalBackend) -> Any:
    """The same weights, loaded by transformers alone."""
    return AutoModelForCausalLM.from_pretrained(backend.info.path, attn_implementation="eager").eval()


def run(backend: HFCausalBackend, texts: tuple[str, ...], capture: Capture) -> tuple[ForwardResult, list[int]]:
    batch = backend.batch([backend.tokenize(text) for text in texts])
    return backend.forward(batch, capture), batch.lengths.tolist()


def near(found: Tensor, expected: Tensor, tolerance: float = 2e-5) -> bool:
    return found.shape == expected.shape and bool((found - expected).abs().max() <= tolerance)


def test_padding_changes_nothing(backend: HFCausalBackend) -> None:
    together, lengths = run(backend, TEXTS, EVERYTHING)
    last = together.logits[torch.arange(len(TEXTS)), torch.tensor(lengths) - 1].log_softmax(-1)
    (grads,) = torch.autograd.grad(last.max(-1).values.sum(), together.embeddings)
    for row, (text, length) in enumerate(zip(TEXTS, lengths, strict=True)):
        single, _ = run(backend, (text,), EVERYTHING)
        assert near(together.logits[row, :length], single.logits[0])
        for many, one in zip(together.attentions, single.attentions, strict=True):
            assert near(many[row, :, :length, :length], one[0])
            assert not many[row, :, :length, length:].any()
        for name in ("residuals", "attn_updates", "mlp_updates"):
            for many, one in zip(getattr(together, name), getattr(single, name), strict=True):
                assert near(many[row, :length], one[0])
        value = single.logits[0, -1].log_softmax(-1).max()
        (grad,) = torch.autograd.grad(value, single.embeddings)
        assert near(grads[row, :length], grad[0], 2e-4)
        assert not grads[row, length:].any()


def test_same_as_transformers_alone(backend: HFCausalBackend, reference: Any) -> None:
    found, _ = run(backend, TEXTS[1:2], EVERYTHING)
    ids = torch.tensor([backend.tokenize(TEXTS[1]).ids.tolist()])
    with torch.no_grad():
        expected = reference(ids, output_attentions=True, output_hidden_states=True)
    assert near(found.logits, expected.logits)
    assert len(found.attentions) == backend.info.n_layers
    for weights, other in zip(found.attentions, expected.attentions, strict=True):
        assert near(weights, other)
    # the last of the reference's hidden states is final-normed already, ours is the residual stream itself
    for state, other in zip(found.residuals[:-1], expected.hidden_states[1:-1], strict=True):
        assert near(state, other)
    assert not near(found.residuals[-1], expected.hidden_states[-1], 1e-2)


def test_input_ids_and_embeddings_and_both_attentions_agree(backend: HFCausalBackend) -> None:
    batch = backend.batch([backend.tokenize(text) for text in TEXTS])
    fused = backend.forward(batch, Capture())
    eager = backend.forward(batch, Capture(attention=True))
    given = backend.forward(batch, Capture(), embeddings=backend.embed(batch))
    assert near(fused.logits, eager.logits)
    assert torch.equal(fused.logits, given.logits)
    assert fused.attentions == fused.residuals == fused.attn_updates == ()
    assert not fused.logits.requires_grad


def test_last_logits_are_of_each_prompts_last_token(backend: HFCausalBackend) -> None:
    full, lengths = run(backend, TEXTS, Capture())
    last, _ = run(backend, TEXTS, Capture(last_logits_only=True))
    assert last.logits.shape == (len(TEXTS), 1, backend.info.vocab_size)
    for row, length in enumerate(lengths):
        assert near(last.logits[row, 0], full.logits[row, length - 1])


def test_residual_stream_is_the_sum_of_its_parts(backend: HFCausalBackend) -> None:
    found, _ = run(backend, TEXTS, Capture(residuals=True))
    for layer in range(1, backend.info.n_layers):
        parts = found.residuals[layer - 1] + found.attn_updates[layer] + found.mlp_updates[layer]
        assert near(found.residuals[layer], parts)
    assert backend.capabilities.sublayers
    assert backend.capabilities.attention


def test_first_layer_starts_from_embeddings_and_positions(tiny_gpt2: HFCausalBackend) -> None:
    found, _ = run(tiny_gpt2, TEXTS[:1], Capture(residuals=True))
    positions = tiny_gpt2.model.transformer.wpe.weight[: found.embeddings.shape[1]]  # type: ignore[union-attr]
    start = found.embeddings + positions
    assert near(found.residuals[0], start + found.attn_updates[0] + found.mlp_updates[0])


def test_lens_of_the_last_layer_is_the_model(backend: HFCausalBackend) -> None:
    found, _ = run(backend, TEXTS, Capture(residuals=True))
    assert near(backend.unembed(found.residuals[-1]), found.logits)
    assert near(backend.unembed(found.residuals[-1][0, 0]), found.logits[0, 0])
    assert not near(backend.unembed(found.residuals[0]), found.logits, 0.1)


def test_grouped_heads_have_a_pattern_each(tiny_llama: HFCausalBackend) -> None:
    found, lengths = run(tiny_llama, TEXTS, Capture(attention=True))
    width = max(lengths)
    assert tiny_llama.info.n_heads == 4
    assert tiny_llama.info.n_kv_heads == 2
    for weights in found.attentions:
        assert weights.shape == (len(TEXTS), 4, width, width)
        assert near(weights.sum(-1), torch.ones(len(TEXTS), 4, width))
        assert not weights.triu(1).any()
        assert not near(weights[:, 0], weights[:, 1], 1e-3)


def test_gradient_is_the_slope(backend: HFCausalBackend) -> None:
    batch = backend.batch([backend.tokenize(TEXTS[0])])
    found = backend.forward(batch, Capture(gradients=True, last_logits_only=True))
    (grad,) = torch.autograd.grad(found.logits[0, 0, 7], found.embeddings)
    step = torch.zeros_like(grad)
    step[0, 0, 3] = 1e-2
    up, down = (
        backend.forward(batch, Capture(last_logits_only=True), embeddings=found.embeddings.detach() + sign * step)
        for sign in (1, -1)
    )
    slope = (up.logits[0, 0, 7] - down.logits[0, 0, 7]) / 2e-2
    assert float(grad[0, 0, 3]) == pytest.approx(float(slope), rel=0.02, abs=1e-3)
    assert all(parameter.grad is None for parameter in backend.model.parameters())


def test_embeddings_stay_in_the_graph_they_come_from(backend: HFCausalBackend) -> None:
    batch = backend.batch([backend.tokenize(TEXTS[0])])
    scale = torch.ones((), requires_grad=True)
    found = backend.forward(
        batch, Capture(gradients=True, last_logits_only=True), embeddings=backend.embed(batch) * scale
    )
    found.logits[0, 0, 3].backward()
    assert scale.grad is not None
    assert scale.grad != 0


def test_hooks_are_gone_after_a_pass(backend: HFCausalBackend) -> None:
    run(backend, TEXTS, EVERYTHING)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in backend.model.modules())


def test_non_finite_logits_are_an_error(tiny_gpt2_dir: Any) -> None:
    broken = HFCausalBackend.load(str(tiny_gpt2_dir))
    with torch.no_grad():
        broken.model.transformer.ln_f.weight[0] = float("nan")  # type: ignore[union-attr, operator]
    with pytest.raises(BackendError, match="non-finite"):
        run(broken, TEXTS, Capture())


def test_empty_and_too_long_prompts(backend: HFCausalBackend) -> None:
    with pytest.raises(InputError) as empty:
        backend.tokenize("")
    assert empty.value.kind == "empty"
    with pytest.raises(InputError, match="at most 64") as long:
        backend.tokenize("one two " * 64)
    assert long.value.kind == "too_long"
    with pytest.raises(InputError) as broken:
        backend.tokenize("a\ud800b")
    assert broken.value.kind == "not_utf8"
    overhead = len(backend.tokenize("\n")) - 1
    longest = "\n" * (backend.info.context_length - overhead)
    assert run(backend, (longest,), Capture())[0].logits.shape[1] == backend.info.context_length
    with pytest.raises(InputError, match="65 tokens"):
        backend.tokenize(longest + "\n")
