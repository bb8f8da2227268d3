"""Relevance of a classifier's logit against an explicit propagation (no gradients); conservation; what it leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    PretrainedConfig,
    RobertaConfig,
)

from headscope.analysis.attribution.encoder_lrp import encoder_relevance
from headscope.analysis.attribution.lrp_rules import RULES
from headscope.analysis.errors import BackendError
from tests.lrp_reference_bert import explicit_relevance_bert

SIZES: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
SHARED: dict[str, Any] = {"vocab_size": 60, "num_labels": 3, "max_position_embeddings": 40}
DISTILLED: dict[str, Any] = {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48}
IDS = torch.tensor([[2, 17, 5, 33, 48, 5, 9, 3]])
COLUMN = 1


def built(config: PretrainedConfig) -> Any:
    """Weights, biases and norms all wide, so that every rule shows."""
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.randn_like(value) * 0.2 + ("norm" in name.lower() and name.endswith("weight")))
    return model


@pytest.fixture(scope="module")
def bert() -> Any:
    return built(BertConfig(**SIZES, **SHARED))


@pytest.mark.parametrize("rule", RULES)
def test_relevances_are_those_of_the_rules_written_out(bert: Any, rule: str) -> None:
    expected = explicit_relevance_bert(bert, IDS[0], COLUMN, rule)
    found = encoder_relevance(bert, {"input_ids": IDS}, COLUMN, rule)
    scale = float(np.abs(expected.words).max())
    np.testing.assert_allclose(found.tokens.numpy(), expected.words, atol=1e-4 * scale)
    wanted = {"position embeddings": expected.positions.sum(), "token type embeddings": expected.types.sum()}
    assert found.embeddings == pytest.approx(wanted, abs=2e-4 * scale)
    assert found.biases == pytest.approx(expected.bias, abs=2e-4 * scale)
    assert found.leak == pytest.approx(expected.leak, abs=2e-4 * scale)
    assert found.logit == pytest.approx(expected.logit, abs=1e-4)
    assert min(abs(expected.bias), *map(abs, wanted.values())) > 0.01
    assert (abs(expected.leak) > 0.01) is (rule == "attn_lrp")


@pytest.mark.parametrize(
    ("config", "added"),
    [
        (BertConfig(**SIZES, **SHARED), ["position embeddings", "token type embeddings"]),
        (RobertaConfig(**SIZES, **SHARED, pad_token_id=1), ["position embeddings", "token type embeddings"]),
        (DistilBertConfig(**DISTILLED, **SHARED), ["position embeddings"]),
    ],
    ids=["bert", "roberta", "distilbert"],
)
def test_everything_adds_up_to_the_logit(config: PretrainedConfig, added: list[str]) -> None:
    model = built(config).requires_grad_(False)
    inputs = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
    found = encoder_relevance(model, inputs, COLUMN, "attn_lrp")
    parts = [float(found.tokens.sum()), *found.embeddings.values(), found.biases, found.leak]
    assert sorted(found.embeddings) == added
    assert sum(parts) == pytest.approx(float(model(**inputs).logits[0, COLUMN]), abs=1e-4)
    assert found.delta == pytest.approx(sum(parts) - found.logit, abs=1e-6)
    assert min(map(abs, parts)) > 1e-3


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (BertConfig(**SIZES, **SHARED, hidden_act="sigmoid"), "it has a part for which there is no rule"),
        (DebertaV2Config(**SIZES, **SHARED), "do not fit DebertaV2ForSequenceClassification"),
    ],
    ids=["an activation that is not 0 at 0", "an attention of its own"],
)
def test_what_the_rules_do_not_know_is_said(config: PretrainedConfig, reason: str) -> None:
    model = built(config)
    before = state(model)
    with pytest.raises(BackendError, match=reason) as caught:
        encoder_relevance(model, {"input_ids": IDS}, COLUMN, "cp_lrp")
    assert "Ask for integrated gradients" in str(caught.value)
    assert state(model) == before


def test_the_model_is_as_before(bert: Any) -> None:
    before, logits = state(bert), bert(IDS).logits
    encoder_relevance(bert, {"input_ids": IDS}, COLUMN, "attn_lrp")
    assert state(bert) == before
    assert bool((bert(IDS).logits == logits).all())
    assert all(parameter.grad is None for parameter in bert.parameters())


def state(model: Any) -> list[Any]:
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    return [model.config._attn_implementation, hooks, torch.tanh, model.training]
