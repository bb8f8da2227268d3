"""Receipts of a model with a rule: who finds the one token that decides passes the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from headscope.analysis.attribution.masking import units_of
from headscope.analysis.attribution.removal_test import unit_scores
from headscope.analysis.backends.hf_causal import HFCausalBackend
from tests.tiny_models import SENTENCES, build_tiny_gpt2

if TYPE_CHECKING:
    from pathlib import Path

from tests.receipt_parts import loaded, prepared, receipts

PLANTED, DECIDED = "three", " bread"  # a token each, and pieces of no other word


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> HFCausalBackend:
    """The tiny GPT-2 with a rule: a direction of its own, which only the planted word's tokens have and every head
    hands on, raises the logit of the decided token."""
    folder: Path = build_tiny_gpt2(tmp_path_factory.mktemp("models") / "planted")
    backend = HFCausalBackend.load(str(folder))
    model: Any = backend.model
    plant(model, backend.tokenize(" " + PLANTED).ids.tolist(), int(backend.tokenize(DECIDED).ids[0]))
    return backend


@torch.no_grad()
def plant(model: Any, tokens: list[int], decided: int) -> None:
    """Not tied any more, the embedding gets the direction, layer 0 copies it from everywhere to everywhere, nothing
    else writes it, and the unembedding of the decided token reads it."""
    body, axis, size = model.transformer, 0, 4.0
    model.lm_head.weight = torch.nn.Parameter(body.wte.weight.clone())
    body.wte.weight[:, axis] = 0.0
    body.wpe.weight[:, axis] = 0.0
    body.wte.weight[tokens, axis] = size
    width = body.wte.weight.shape[1]
    for layer in body.h:
        for projection in (layer.attn.c_proj, layer.mlp.c_proj):
            projection.weight[:, axis] = 0.0
            projection.bias[axis] = 0.0
    first = body.h[0].attn
    first.c_attn.weight[:, 2 * width] = 0.0  # the first value channel of the first head carries the direction
    first.c_attn.weight[axis, 2 * width] = 1.0
    first.c_attn.bias[2 * width] = 0.0
    first.c_proj.weight[0, :] = 0.0
    first.c_proj.weight[0, axis] = 4.0
    model.lm_head.weight[:, axis] = 0.0
    model.lm_head.weight[decided, axis] = 8.0


def test_a_planted_token_is_first(planted: HFCausalBackend) -> None:
    """Its embedding alone decides the target; it stands anywhere, among other words every time."""
    generator = np.random.default_rng(4)
    words = [word for word in " ".join(SENTENCES).replace(",", "").replace(".", "").split() if word != PLANTED]
    texts = []
    for _ in range(24):
        chosen = generator.choice(words, 5).tolist()
        texts.append(" ".join(np.insert(np.array(chosen, dtype=object), generator.integers(1, 6), PLANTED)))
    work, targets = prepared(planted, *texts, target=DECIDED)
    token = planted.tokenize(" " + PLANTED).ids[0]
    units = [units_of(text, len(text) - 1, "word") for text in work.texts]
    places = [
        [bool(mask[text.ids == token].any()) for mask in mine].index(True)
        for mine, text in zip(units, work.texts, strict=True)
    ]
    asked = {**loaded("occlusion", masking="delete"), **loaded("integrated_gradients"),
             **loaded("shapley_exact", masking="delete")}  # fmt: skip
    found = receipts(work, targets, asked, unit="word", noise_draws=0)
    for name, one in asked.items():
        first = [
            int(np.nanargmax(unit_scores(answer, answer.scores.astype(float), mine)))
            for answer, mine in zip(one.method.attribute(work, targets, one.params), units, strict=True)
        ]
        assert np.mean(np.array(first) == places) >= 0.95, (name, first, places)
        assert np.mean([receipt.shapley_top1 for receipt in found[name]]) >= 0.95
