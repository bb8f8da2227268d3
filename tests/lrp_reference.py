"""Relevance propagation for the Llama architecture written out in numpy, without gradients.

Every step redistributes the relevance of its outputs over its inputs in proportion to their contributions (LRP-0), as
the papers state it: AttnLRP (Achtibat et al. 2024, propositions 3.1 to 3.4) and CP-LRP (Ali et al. 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Explicit:
    """layers `[L + 1, T]`: relevance of the residual stream that each layer, and last the final norm, reads. heads
    `[L, H]`: of each head's output, over all positions. bias: of all bias vectors."""

    layers: Array
    leak: float
    heads: Array
    bias: float = 0.0


def explicit_relevance(model: Any, ids: Tensor, target: int, rule: str) -> Explicit:
    """Relevance of the logit of `target` after the last of `ids`."""
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    config = model.config
    x: Array = weights["model.embed_tokens.weight"][ids.numpy()]
    layers = []
    for index in range(config.num_hidden_layers):
        layer = _Layer({k.split(".", 3)[3]: v for k, v in weights.items() if f"layers.{index}." in k}, config)
        x = layer.forward(x)
        layers.append(layer)
    normed = _norm(x, weights["model.norm.weight"], config)
    relevance = np.zeros_like(x)
    relevance[-1] = normed[-1] * weights["lm_head.weight"][target]  # one output neuron: each input's contribution
    kept, heads, leak = [relevance.sum(-1)], [], 0.0
    for layer in reversed(layers):
        relevance, per_head, lost = layer.backward(relevance, rule)
        leak += lost
        heads.append(per_head)
        kept.append(relevance.sum(-1))
    return Explicit(np.stack(kept[::-1]), leak, np.stack(heads[::-1]))


class _Layer:
    def __init__(self, weights: dict[str, Array], config: Any) -> None:
        self.w, self.config = weights, config
        self.heads, self.groups = config.num_attention_heads, config.num_attention_heads // config.num_key_value_heads
        self.size = config.hidden_size // self.heads

    def forward(self, x: Array) -> Array:
        w, self.x = self.w, x
        self.a = _norm(x, w["input_layernorm.weight"], self.config)
        self.q0, self.k0, self.v0 = (self._split(self.a @ w[f"self_attn.{n}_proj.weight"].T) for n in "qkv")
        self.turn = _rotations(len(x), self.size, self.config.rope_parameters["rope_theta"])
        self.q, self.k = (np.einsum("tij,htj->hti", self.turn, part) for part in (self.q0, self.k0))
        self.keys, self.values = (np.repeat(part, self.groups, axis=0) for part in (self.k, self.v0))
        self.s = np.einsum("hid,hjd->hij", self.q, self.keys) / np.sqrt(self.size)
        masked = np.where(np.tril(np.ones(self.s.shape[1:], dtype=bool)), self.s, -np.inf)
        exp = np.exp(masked - masked.max(-1, keepdims=True))
        self.p = exp / exp.sum(-1, keepdims=True)
        self.o = np.einsum("hij,hjd->hid", self.p, self.values)
        self.mixed = self.o.transpose(1, 0, 2).reshape(len(x), -1)
        self.update = self.mixed @ w["self_attn.o_proj.weight"].T
        self.middle = x + self.update
        self.m = _norm(self.middle, w["post_attention_layernorm.weight"], self.config)
        self.gate, self.up = self.m @ w["mlp.gate_proj.weight"].T, self.m @ w["mlp.up_proj.weight"].T
        self.product = self.gate / (1 + np.exp(-self.gate)) * self.up
        self.written = self.product @ w["mlp.down_proj.weight"].T
        return self.middle + self.written

    def backward(self, r: Array, rule: str) -> tuple[Array, Array, float]:
        w = self.w
        r_middle, r_written = _sum(r, self.middle, self.written)
        r_product = _linear(r_written, self.product, w["mlp.down_proj.weight"])
        # the product of two inputs: half each; norm and activation: one to one
        r_m = _linear(r_product / 2, self.m, w["mlp.gate_proj.weight"])
        r_m += _linear(r_product / 2, self.m, w["mlp.up_proj.weight"])
        r_x, r_update = _sum(r_middle + r_m, self.x, self.update)
        r_o = self._split(_linear(r_update, self.mixed, w["self_attn.o_proj.weight"]))
        r_q, r_k, r_v, leak = through_attention(self.q, self.keys, self.values, self.s, self.p, r_o, rule)
        r_a = _linear(self._merged(r_v), self.a, w["self_attn.v_proj.weight"])
        if rule == "attn_lrp":
            r_a += _linear(self._turned_back(r_q, self.q, self.q0), self.a, w["self_attn.q_proj.weight"])
            grouped = r_k.reshape(-1, self.groups, *r_k.shape[1:]).sum(1)
            r_a += _linear(self._turned_back(grouped, self.k, self.k0), self.a, w["self_attn.k_proj.weight"])
        return r_x + r_a, r_o.sum((1, 2)), leak

    def _split(self, x: Array) -> Array:
        return x.reshape(len(x), -1, self.size).transpose(1, 0, 2)

    def _merged(self, r: Array) -> Array:
        """Relevance of the repeated value heads to that of the key-value heads, flat."""
        return _flat(r.reshape(-1, self.groups, *r.shape[1:]).sum(1))

    def _turned_back(self, r: Array, out: Array, given: Array) -> Array:
        """Through the rotation, a linear map of its own at every position."""
        return _flat(given * np.einsum("tij,hti->htj", self.turn, r / out))


def through_attention(
    q: Array, k: Array, v: Array, s: Array, p: Array, r_o: Array, rule: str
) -> tuple[Array, Array, Array, float]:
    """From relevance of the heads' outputs `[H, T, d_head]` to that of q, k and v, and the softmax's leak; scores s and
    pattern p `[H, T, T]`."""
    o = np.einsum("hij,hjd->hid", p, v)
    flow = np.einsum("hij,hjd,hid->hijd", p, v, r_o / o)  # of value j, d to output i, d
    if rule == "cp_lrp":
        return np.zeros_like(q), np.zeros_like(k), flow.sum(1), 0.0
    r_p = 0.5 * flow.sum(3)
    r_s = s * (r_p - p * r_p.sum(-1, keepdims=True))
    per_product = np.einsum("hid,hjd,hij->hijd", q, k, 0.5 * r_s / s) / np.sqrt(q.shape[-1])
    return per_product.sum(2), per_product.sum(1), 0.5 * flow.sum(1), float(r_p.sum() - r_s.sum())


def _norm(x: Array, weight: Array, config: Any) -> Array:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + config.rms_norm_eps) * weight


def _linear(r: Array, x: Array, weight: Array) -> Array:
    """From the outputs of `x @ weight.T` to its inputs, in proportion to what each contributes."""
    return x * ((r / (x @ weight.T)) @ weight)


def _sum(r: Array, one: Array, other: Array) -> tuple[Array, Array]:
    return r * one / (one + other), r * other / (one + other)


def _flat(heads: Array) -> Array:
    return heads.transpose(1, 0, 2).reshape(heads.shape[1], -1)


def _rotations(length: int, size: int, base: float) -> Array:
    """Rotary position embedding as matrices `[T, size, size]`: dimension i is paired with i + size / 2."""
    half = size // 2
    angles = np.arange(length)[:, None] / base ** (np.arange(half) / half)
    turn = np.zeros((length, size, size))
    for i in range(half):
        turn[:, i, i] = turn[:, i + half, i + half] = np.cos(angles[:, i])
        turn[:, i, i + half], turn[:, i + half, i] = -np.sin(angles[:, i]), np.sin(angles[:, i])
    return turn
