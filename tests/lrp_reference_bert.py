"""Relevance propagation (AttnLRP and CP-LRP) for a BERT classifier written out in numpy, without gradients.

What GPT-2 does not have: attention in both directions, norms after the sums, a pooler with a tanh, a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.lrp_reference import Array, through_attention
from tests.lrp_reference_gpt2 import Affine, Norm

EMBEDDINGS = ("word_embeddings", "position_embeddings", "token_type_embeddings")


@dataclass(frozen=True)
class ExplicitBert:
    """words, positions, types `[T]`: relevance of the three embeddings of every token."""

    words: Array
    positions: Array
    types: Array
    bias: float
    leak: float
    logit: float


def explicit_relevance_bert(model: Any, ids: Tensor, column: int, rule: str) -> ExplicitBert:
    """Relevance of the logit `column` of a BertForSequenceClassification for `ids` `[T]`, nothing masked."""
    w = {name.removeprefix("bert."): value.double().numpy() for name, value in model.state_dict().items()}
    places = (ids.numpy(), np.arange(len(ids)), np.zeros(len(ids), dtype=int))
    given = [w[f"embeddings.{name}.weight"][at] for name, at in zip(EMBEDDINGS, places, strict=True)]
    first = _norm(w, "embeddings.LayerNorm", model.config)
    total: Array = np.sum(given, axis=0)
    x = first.forward(total)
    layers = [_Layer(w, f"encoder.layer.{index}", model.config) for index in range(model.config.num_hidden_layers)]
    for layer in layers:
        x = layer.forward(x)
    pooler, head = _affine(w, "pooler.dense"), _affine(w, "classifier")
    logits = head.forward(np.tanh(pooler.forward(x[:1])))
    wanted = np.zeros_like(logits)
    wanted[0, column] = logits[0, column]
    r_pooled, bias = head.backward(wanted)
    r_first, more = pooler.backward(r_pooled)  # the tanh passes on what it gets
    r, bias, leak = np.concatenate([r_first, np.zeros_like(x[1:])]), bias + more, 0.0
    for layer in reversed(layers):
        r, more, lost = layer.backward(r, rule)
        bias, leak = bias + more, leak + lost
    r, more = first.backward(r)
    words, positions, types = ((r * part / total).sum(-1) for part in given)
    return ExplicitBert(words, positions, types, bias + more, leak, float(logits[0, column]))


def _affine(w: dict[str, Array], name: str) -> Affine:
    return Affine(w[f"{name}.weight"].T, w[f"{name}.bias"])


def _norm(w: dict[str, Array], name: str, config: Any) -> Norm:
    return Norm(w[f"{name}.weight"], w[f"{name}.bias"], config.layer_norm_eps)


class _Layer:
    def __init__(self, w: dict[str, Array], name: str, config: Any) -> None:
        self.heads = config.num_attention_heads
        self.maps = [_affine(w, f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
        self.mix, self.wide, self.narrow = (
            _affine(w, f"{name}.{part}.dense") for part in ("attention.output", "intermediate", "output")
        )
        self.first, self.second = (
            _norm(w, f"{name}.{part}.LayerNorm", config) for part in ("attention.output", "output")
        )

    def forward(self, x: Array) -> Array:
        self.x = x
        self.q, self.k, self.v = (self._split(part.forward(x)) for part in self.maps)
        self.s = np.einsum("hid,hjd->hij", self.q, self.k) / np.sqrt(self.q.shape[-1])
        exp = np.exp(self.s - self.s.max(-1, keepdims=True))
        self.p = exp / exp.sum(-1, keepdims=True)
        self.update = self.mix.forward(_flat(np.einsum("hij,hjd->hid", self.p, self.v)))
        self.middle = self.first.forward(x + self.update)
        h = self.wide.forward(self.middle)
        self.written = self.narrow.forward(0.5 * h * (1 + torch.erf(torch.from_numpy(h / np.sqrt(2))).numpy()))
        return self.second.forward(self.middle + self.written)

    def backward(self, r: Array, rule: str) -> tuple[Array, float, float]:
        r, bias = self.second.backward(r)
        share = r / (self.middle + self.written)
        r_h, b1 = self.narrow.backward(share * self.written)
        r_middle, b2 = self.wide.backward(r_h)  # the activation passes on what it gets
        r, b3 = self.first.backward(r_middle + share * self.middle)
        share = r / (self.x + self.update)
        r_mixed, b4 = self.mix.backward(share * self.update)
        *parts, leak = through_attention(self.q, self.k, self.v, self.s, self.p, self._split(r_mixed), rule)
        bias, r_x = bias + b1 + b2 + b3 + b4, share * self.x
        for part, given in zip(self.maps, parts, strict=True):
            r_part, more = part.backward(_flat(given))
            r_x, bias = r_x + r_part, bias + more
        return r_x, bias, leak

    def _split(self, x: Array) -> Array:
        return x.reshape(len(x), self.heads, -1).transpose(1, 0, 2)


def _flat(heads: Array) -> Array:
    return heads.transpose(1, 0, 2).reshape(heads.shape[1], -1)
