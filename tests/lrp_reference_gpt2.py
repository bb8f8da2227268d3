"""Relevance propagation for the GPT-2 architecture written out in numpy, without gradients: what Llama does not have.

LayerNorms are linear maps once their denominator is held (they subtract a mean), every map has a bias that keeps its
share, and positions are embedded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from tests.lrp_reference import Array, Explicit, through_attention


def explicit_relevance_gpt2(model: Any, ids: Tensor, target: int, rule: str) -> Explicit:
    """Relevance of the logit of `target` after the last of `ids`; `layers[0]` is of tokens and positions together."""
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    x: Array = weights["transformer.wte.weight"][ids.numpy()] + weights["transformer.wpe.weight"][: len(ids)]
    layers = []
    for index in range(model.config.n_layer):
        layer = _Layer({k.split(".", 3)[3]: v for k, v in weights.items() if f".h.{index}." in k}, model.config)
        x = layer.forward(x)
        layers.append(layer)
    last = Norm(weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"])
    relevance = np.zeros_like(x)
    relevance[-1] = last.forward(x)[-1] * weights["lm_head.weight"][target]
    relevance, bias = last.backward(relevance)
    kept, heads, leak = [relevance.sum(-1)], [], 0.0
    for layer in reversed(layers):
        relevance, per_head, lost = layer.backward(relevance, rule)
        leak, bias = leak + lost, bias + layer.bias
        heads.append(per_head)
        kept.append(relevance.sum(-1))
    return Explicit(np.stack(kept[::-1]), leak, np.stack(heads[::-1]), bias)


class Affine:
    """`x @ w + b`, w `[in, out]` or one map per position `[T, in, out]`."""

    def __init__(self, w: Array, b: Array) -> None:
        self.w, self.b = w, b

    def forward(self, x: Array) -> Array:
        self.x = x
        self.y: Array = np.einsum("ti,...io->to" if self.w.ndim == 2 else "ti,tio->to", x, self.w) + self.b
        return self.y

    def backward(self, r: Array) -> tuple[Array, float]:
        """Relevance of the input, and of the bias."""
        share = np.divide(r, self.y, out=np.zeros_like(r), where=r != 0)
        back = np.einsum("to,io->ti" if self.w.ndim == 2 else "to,tio->ti", share, self.w)
        return self.x * back, float((share * self.b).sum())


class Norm(Affine):
    """A LayerNorm, its denominator held."""

    def forward(self, x: Array) -> Array:
        centring = np.eye(x.shape[1]) - 1 / x.shape[1]
        deviation = np.sqrt(x.var(-1) + self.epsilon)
        self.w = centring[None] * self.scale / deviation[:, None, None]
        return super().forward(x)

    def __init__(self, scale: Array, b: Array, epsilon: float = 1e-5) -> None:
        super().__init__(scale, b)
        self.scale, self.epsilon = scale, epsilon


class _Layer:
    def __init__(self, weights: dict[str, Array], config: Any) -> None:
        self.heads = config.n_head
        names = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
        maps = (Affine(weights[f"{n}.weight"], weights[f"{n}.bias"]) for n in names)
        self.attn_c_attn, self.attn_c_proj, self.mlp_c_fc, self.mlp_c_proj = maps
        self.first, self.second = (Norm(weights[f"{n}.weight"], weights[f"{n}.bias"]) for n in ("ln_1", "ln_2"))

    def forward(self, x: Array) -> Array:
        self.x = x
        mixed = self.attn_c_attn.forward(self.first.forward(x))
        self.q, self.k, self.v = (self._split(part) for part in np.split(mixed, 3, -1))
        self.s = np.einsum("hid,hjd->hij", self.q, self.k) / np.sqrt(self.q.shape[-1])
        exp = np.exp(np.where(np.tril(np.ones(self.s.shape[1:], dtype=bool)), self.s, -np.inf))
        self.p = exp / exp.sum(-1, keepdims=True)
        self.update = self.attn_c_proj.forward(_flat(np.einsum("hij,hjd->hid", self.p, self.v)))
        self.middle = x + self.update
        h = self.mlp_c_fc.forward(self.second.forward(self.middle))
        self.written = self.mlp_c_proj.forward(0.5 * h * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3))))
        return self.middle + self.written

    def backward(self, r: Array, rule: str) -> tuple[Array, Array, float]:
        share = r / (self.middle + self.written)
        r_h, b1 = self.mlp_c_proj.backward(share * self.written)
        r_m, b2 = self.mlp_c_fc.backward(r_h)  # the activation passes on what it gets
        r_middle, b3 = self.second.backward(r_m)
        share = (share * self.middle + r_middle) / self.middle
        r_mixed, b4 = self.attn_c_proj.backward(share * self.update)
        r_o = self._split(r_mixed)
        *parts, leak = through_attention(self.q, self.k, self.v, self.s, self.p, r_o, rule)
        r_a, b5 = self.attn_c_attn.backward(np.concatenate([_flat(part) for part in parts], -1))
        r_x, b6 = self.first.backward(r_a)
        self.bias = b1 + b2 + b3 + b4 + b5 + b6
        return share * self.x + r_x, r_o.sum((1, 2)), leak

    def _split(self, x: Array) -> Array:
        return x.reshape(len(x), self.heads, -1).transpose(1, 0, 2)


def _flat(heads: Array) -> Array:
    return heads.transpose(1, 0, 2).reshape(heads.shape[1], -1)
