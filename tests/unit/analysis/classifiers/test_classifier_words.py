"""Words behind the embedded classifier's logit, by relevance propagation beside integrated gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.classifiers.sequence import WINDOW, SequenceClassifier
from headscope.analysis.classifiers.token_scores import explain
from headscope.analysis.errors import BackendError, UnknownNameError
from headscope.analysis.models import minilm
from headscope.analysis.probes.classifier_words import explained, shared_out
from headscope.analysis.probes.toxicity import evidence
from headscope.analysis.running import judging
from headscope.analysis.statistics.correlation import spearman
from headscope.analysis.types.judging import Explaining, JudgeRequest
from tests.pretended_device import pretended_device

pytestmark = pytest.mark.skipif(minilm.folder() is None, reason="the encoder's package is not installed")

PLANTED = (
    ("Please give the parcel to the idiot at the counter.", "idiot"),
    ("My neighbour is a stupid man who paints his fence every spring.", "stupid"),
    ("The train was late again and the conductor is an asshole.", "asshole"),
    ("I read your letter twice, you pathetic liar, and burned it.", "pathetic"),
)


@pytest.fixture(scope="module")
def judge() -> SequenceClassifier:
    found = classifier("minilm")
    assert isinstance(found, SequenceClassifier)
    return found


@pytest.mark.parametrize("rule", [Explaining.ATTN_LRP, Explaining.CP_LRP])
def test_words_special_tokens_and_the_rest_are_the_logit(judge: SequenceClassifier, rule: Explaining) -> None:
    logits = judge.logits([text for text, _ in PLANTED])
    for label in ("toxic", "insult"):
        column = judge.labels.index(label)
        for row, (text, _) in enumerate(PLANTED):
            found = shared_out(judge, text, label, rule)
            assert found.value == pytest.approx(float(logits[row, column]), abs=1e-4)
            assert float(found.scores.sum()) + sum(found.terms.values()) == pytest.approx(found.value, abs=1e-4)
            assert set(found.terms) == {
                "special tokens", "position embeddings", "token type embeddings", "biases", "softmax leak"
            }  # fmt: skip
            assert (found.terms["softmax leak"] == 0) is (rule is Explaining.CP_LRP)
            assert "".join(found.tokens) == text.replace(" ", "")
            assert [text[start:end] for start, end in found.spans] == list(found.tokens)


def test_an_insult_in_a_harmless_sentence_is_the_first_word_for_all(judge: SequenceClassifier) -> None:
    alike = []
    for text, word in PLANTED:
        found = [explained(judge, text, "toxic", method) for method in Explaining]
        assert [one.tokens[int(one.scores.argmax())] for one in found] == [word] * len(Explaining)
        one, *others = (each.scores.astype(np.float64) for each in found)
        alike += [spearman(one, other).value for other in others]
    assert float(np.mean(alike)) > 0.3


def test_the_classifier_says_the_same_afterwards(judge: SequenceClassifier) -> None:
    text = PLANTED[0][0]
    before, why = judge.logits([text]), explain(judge, text, steps=4)
    shared_out(judge, text, "toxic", Explaining.CP_LRP)
    assert (judge.logits([text]) == before).all()
    assert (explain(judge, text, steps=4).scores == why.scores).all()


def test_what_cannot_be_asked(judge: SequenceClassifier) -> None:
    with pytest.raises(UnknownNameError):
        shared_out(judge, "a text", "nonsense", Explaining.CP_LRP)
    nothing = shared_out(judge, "", "toxic", Explaining.CP_LRP)
    assert nothing.tokens == ()
    assert sum(nothing.terms.values()) == pytest.approx(nothing.value, abs=1e-4)
    assert len(shared_out(judge, "tea " * 200, "toxic", Explaining.CP_LRP).tokens) == WINDOW - 2


def test_a_classifier_without_rules_keeps_its_integrated_gradients(
    judge: SequenceClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(
        vocab_size=judge.tokenizer.vocab_size, intermediate_size=16, num_labels=2, hidden_act="sigmoid", **sizes
    )
    torch.manual_seed(0)
    odd = SequenceClassifier("odd", BertForSequenceClassification(config), judge.tokenizer, ("toxic", "insult"), {})
    with torch.no_grad():
        for value in odd.model.parameters():
            value.mul_(10.0)
    assert evidence(odd, "a text", "toxic")["method"] == "integrated gradients of the classifier"
    with pytest.raises(BackendError, match="do not fit BertForSequenceClassification"):
        evidence(odd, "a text", "toxic", Explaining.ATTN_LRP)
    monkeypatch.setattr(judging, "classifier", lambda _: odd)
    found = judging.judge_typed(JudgeRequest("odd", "a text"))
    assert (len(found.evidence["tokens"]), found.relevance) == (2, {})
    assert "a part for which there is no rule" in found.unshared


def test_an_accelerator_shares_out_the_same(judge: SequenceClassifier) -> None:
    text = PLANTED[1][0]
    near, home = shared_out(judge, text, "toxic", Explaining.ATTN_LRP), judge.model.device
    with pretended_device() as device:
        judge.model.to(device)
        try:
            far = shared_out(judge, text, "toxic", Explaining.ATTN_LRP)
        finally:
            judge.model.to(home)
    np.testing.assert_allclose(far.scores, near.scores, atol=1e-4)
    assert far.terms == pytest.approx(near.terms, abs=1e-4)
