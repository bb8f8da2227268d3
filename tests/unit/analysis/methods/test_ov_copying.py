"""Copying by the weights of heads, against numpy from the weights themselves and on heads that were made to copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from headscope.analysis.attribution.again import random_weights
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods import ov_copying
from headscope.analysis.methods.ov_copying import OVCopying, copying
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TOKENS = (3, 17, 40, 101, 250)
A, B = 40, 101


def weights(backend: HFCausalBackend) -> dict[str, Any]:
    return {name: value.double().numpy() for name, value in backend.model.state_dict().items()}


class Gpt2:
    """The parts of GPT-2 from its weights: LayerNorm, fused queries, keys and values, tanh GELU, learned positions."""

    def __init__(self, backend: HFCausalBackend) -> None:
        self.w, self.d = weights(backend), backend.info.d_model

    def norm(self, name: str, x: Any) -> Any:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)
        return x * self.w[f"transformer.{name}.weight"] + self.w[f"transformer.{name}.bias"]

    def linear(self, name: str, x: Any) -> Any:
        return x @ self.w[f"transformer.{name}.weight"] + self.w[f"transformer.{name}.bias"]

    def embedded(self, ids: Any) -> Any:
        return self.w["transformer.wte.weight"][ids] + self.w["transformer.wpe.weight"][0]

    def values(self, layer: int, x: Any) -> Any:
        return self.linear(f"h.{layer}.attn.c_attn", self.norm(f"h.{layer}.ln_1", x))[:, 2 * self.d :]

    def after_first(self, x: Any) -> Any:
        x = x + self.linear("h.0.attn.c_proj", self.values(0, x))
        inner = self.linear("h.0.mlp.c_fc", self.norm("h.0.ln_2", x))
        gelu = 0.5 * inner * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
        return x + self.linear("h.0.mlp.c_proj", gelu)

    def output(self, layer: int) -> Any:
        return self.w[f"transformer.h.{layer}.attn.c_proj.weight"]

    def logits(self, x: Any) -> Any:
        return self.norm("ln_f", x) @ self.w["lm_head.weight"].T


class Llama:
    """The parts of Llama: RMSNorm, two heads to a value, SiLU gate, rotary positions (which values do not have)."""

    def __init__(self, backend: HFCausalBackend) -> None:
        self.w, config = weights(backend), backend.model.config
        self.size, self.shared = config.head_dim, config.num_attention_heads // config.num_key_value_heads
        self.eps = config.rms_norm_eps

    def norm(self, name: str, x: Any) -> Any:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + self.eps) * self.w[f"model.{name}.weight"]

    def linear(self, name: str, x: Any) -> Any:
        return x @ self.w[f"model.{name}.weight"].T

    def embedded(self, ids: Any) -> Any:
        return self.w["model.embed_tokens.weight"][ids]

    def values(self, layer: int, x: Any) -> Any:
        found = self.linear(f"layers.{layer}.self_attn.v_proj", self.norm(f"layers.{layer}.input_layernorm", x))
        return found.reshape(len(x), -1, self.size).repeat(self.shared, axis=1).reshape(len(x), -1)

    def after_first(self, x: Any) -> Any:
        x = x + self.linear("layers.0.self_attn.o_proj", self.values(0, x))
        inner = self.norm("layers.0.post_attention_layernorm", x)
        gate = self.linear("layers.0.mlp.gate_proj", inner)
        return x + self.linear(
            "layers.0.mlp.down_proj", gate / (1 + np.exp(-gate)) * self.linear("layers.0.mlp.up_proj", inner)
        )

    def output(self, layer: int) -> Any:
        return self.w[f"model.layers.{layer}.self_attn.o_proj.weight"].T

    def logits(self, x: Any) -> Any:
        return self.norm("norm", x) @ self.w["lm_head.weight"].T


def by_hand(backend: HFCausalBackend, parts: Gpt2 | Llama, tokens: tuple[int, ...]) -> Any:
    """`[token, layer, head]`, a head and a token at a time, by sorting the vocabulary."""
    info = backend.info
    start = parts.embedded(np.array(tokens))
    later = parts.after_first(start)
    found = np.zeros((len(tokens), info.n_layers, info.n_heads))
    for layer in range(info.n_layers):
        values = parts.values(layer, start if layer == 0 else later)
        size = values.shape[1] // info.n_heads
        for head in range(info.n_heads):
            part = slice(head * size, (head + 1) * size)
            for i, token in enumerate(tokens):
                order = np.argsort(-parts.logits(values[i, part] @ parts.output(layer)[part]))
                found[i, layer, head] = int(token in order[:5]) - int(token in order[-5:])
    return found


def test_gpt2_is_as_by_hand(tiny_gpt2: HFCausalBackend) -> None:
    tokens = tuple(range(0, 390, 3))
    expected = by_hand(tiny_gpt2, Gpt2(tiny_gpt2), tokens)
    assert (expected == 1).any()
    assert (expected == -1).any()
    np.testing.assert_array_equal(copying(tiny_gpt2, tokens), expected)


def test_llama_with_shared_values_is_as_by_hand(tiny_llama: HFCausalBackend) -> None:
    tokens = tuple(range(0, 390, 3))
    expected = by_hand(tiny_llama, Llama(tiny_llama), tokens)
    assert (expected == 1).any()
    assert (expected == -1).any()
    np.testing.assert_array_equal(copying(tiny_llama, tokens), expected)


def test_pieces_of_the_vocabulary_change_nothing(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = copying(tiny_gpt2, TOKENS)
    monkeypatch.setattr(ov_copying, "CHUNK_ELEMENTS", 3 * tiny_gpt2.info.vocab_size)
    np.testing.assert_array_equal(copying(tiny_gpt2, TOKENS), whole)


@contextmanager
def planted(backend: HFCausalBackend) -> Iterator[None]:
    """Head 2.1 writes the embedding of A where it reads A, and of B where it reads B; head 2.3 the opposite of them."""
    parts, d = Gpt2(backend), backend.info.d_model
    size = d // backend.info.n_heads
    states = parts.norm("h.2.ln_1", parts.after_first(parts.embedded(np.array([A, B]))))
    attention: Any = backend.structure.layers[2].attn
    kept = [value.detach().clone() for value in attention.parameters()]
    embeddings = parts.w["transformer.wte.weight"]
    try:
        with torch.no_grad():
            for head, sign in ((1, 1.0), (3, -1.0)):
                read, write = (
                    slice(2 * d + head * size, 2 * d + (head + 1) * size),
                    slice(head * size, (head + 1) * size),
                )
                attention.c_attn.weight[:, read] = 0
                attention.c_attn.bias[read] = 0
                attention.c_attn.weight[:, read][:, :2] = torch.tensor(np.linalg.pinv(states), dtype=torch.float32)
                attention.c_proj.weight[write] = 0
                attention.c_proj.weight[write][:2] = torch.tensor(sign * embeddings[[A, B]], dtype=torch.float32)
        yield
    finally:
        with torch.no_grad():
            for value, before in zip(attention.parameters(), kept, strict=True):
                value.copy_(before)


def test_heads_that_were_made_to_copy_and_to_suppress(tiny_gpt2: HFCausalBackend) -> None:
    before = copying(tiny_gpt2, (A, B))
    with planted(tiny_gpt2):
        found = copying(tiny_gpt2, (A, B))
    assert found[:, 2, 1].tolist() == [1.0, 1.0]
    assert found[:, 2, 3].tolist() == [-1.0, -1.0]
    others = np.ones(found.shape[1:], bool)
    others[2, [1, 3]] = False
    np.testing.assert_array_equal(found[:, others], before[:, others])


def test_target_and_foil_count_alike_and_the_prompt_not_at_all(tiny_gpt2: HFCausalBackend) -> None:
    texts = ("The quick fox", "One two three four")
    work = Workspace(tiny_gpt2, [tiny_gpt2.tokenize(text) for text in texts], Capture())
    with planted(tiny_gpt2):
        both, alone = OVCopying().attribute(
            work, [Target(A, "a", 1, "given", 0.0, 1, B, "b"), Target(17, "c", 1, "given", 0.0, 1)], {}
        )
        expected = copying(tiny_gpt2, (A, B, 17))
    np.testing.assert_allclose(both.scores, expected[:2].mean(0))
    np.testing.assert_allclose(alone.scores, expected[2])
    assert both.scores[2, 1] == 1.0
    assert (both.axes, both.signed, both.quantity) == (("layer", "head"), True, "logprob_difference")


def test_a_head_that_writes_nothing_neither_copies_nor_suppresses(tiny_gpt2: HFCausalBackend) -> None:
    attention: Any = tiny_gpt2.structure.layers[1].attn
    kept = attention.c_proj.weight.detach().clone()
    with torch.no_grad():
        attention.c_proj.weight.zero_()
        found = copying(tiny_gpt2, TOKENS)
        attention.c_proj.weight.copy_(kept)
    assert not found[:, 1].any()


def test_random_weights_are_another_model(tiny_gpt2: HFCausalBackend) -> None:
    before = copying(tiny_gpt2, TOKENS)
    with random_weights(tiny_gpt2.model, 1):
        assert not np.array_equal(copying(tiny_gpt2, TOKENS), before)
    np.testing.assert_array_equal(copying(tiny_gpt2, TOKENS), before)
