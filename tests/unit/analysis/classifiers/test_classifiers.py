"""The toxicity classifiers: what is shipped, what is read of a text, why it says so, and how it is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from transformers import BertConfig, BertForSequenceClassification

from headscope.analysis.classifiers import embedded_bert, hub_bert, linear
from headscope.analysis.classifiers.card import SCORERS, ScorerCard, card, cards
from headscope.analysis.classifiers.labels import LABELS
from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.classifiers.sequence import OVERLAP, WINDOW, SequenceClassifier
from headscope.analysis.classifiers.token_scores import explain
from headscope.analysis.errors import BackendError, InputError, UnknownNameError
from headscope.analysis.models import devices, minilm
from headscope.analysis.registry import CLASSIFIERS
from headscope.analysis.training import functional_tests
from headscope.analysis.training.toxicity import LABEL_WEIGHTS, masked_loss
from headscope.analysis.training.toxicity_audit import identity_swaps
from headscope.analysis.training.toxicity_data import own_sentences, read_mix
from tests.pretended_device import pretended_device

pytestmark = pytest.mark.skipif(minilm.folder() is None, reason="the encoder's package is not installed")


@pytest.fixture(scope="module")
def judge() -> SequenceClassifier:
    return embedded_bert.load()


def test_the_shipped_classifier_tells_plain_cases_apart(judge: SequenceClassifier) -> None:
    texts = ["You are a worthless idiot and nobody likes you.", "The train leaves at nine from the second platform.",
             "Many Muslim people work in this hospital.", "That burger was fucking great."]  # fmt: skip
    scores = judge.score(texts)
    assert scores.shape == (4, len(LABELS))
    cut = judge.calibration["toxic"].threshold
    assert (scores[:, 0] >= cut).tolist() == [True, False, False, False]
    assert scores[0, LABELS.index("insult")] > 0.5


def test_the_card_reaches_what_was_asked_and_belongs_to_these_weights(judge: SequenceClassifier) -> None:
    stated = card()
    assert stated.figure("toxic: area under the ROC curve")["value"] >= 0.91
    assert stated.figure("toxic: macro F1 at the threshold")["value"] >= 0.82
    assert stated.figure("false positives on neutral identity sentences")["value"] <= 0.03
    assert (stated.classifier, stated.threshold) == (judge.name, judge.calibration["toxic"].threshold)
    for test, known in zip(functional_tests.measured(judge, stated.threshold), stated.functional, strict=True):
        assert (test.kind, test.n) == (known["kind"], known["n"])
        assert abs(test.right - known["right"]) <= 1  # a score at the threshold, on another processor
    held_out = own_sentences("held_out")
    kind = np.array([source == "own/threat" for source in held_out.sources])
    said = (
        judge.score([text for text, keep in zip(held_out.texts, kind, strict=True) if keep])[:, 0] >= stated.threshold
    )
    line = stated.figure("own/threat (held-out wording): called toxic")
    assert (float(said.mean()), len(said)) == (pytest.approx(line["value"], abs=0.02), line["n"])


@pytest.mark.parametrize("stated", cards().values(), ids=SCORERS)
def test_the_shifts_of_the_card_and_their_intervals_are_those_of_today(stated: ScorerCard) -> None:
    found = identity_swaps(classifier(stated.scorer), stated.threshold)
    known = {row["group"]: row for row in stated.identity_swaps}
    assert known.keys() == {row["group"] for row in found}
    for row in found:
        for name in ("shift", "low", "high"):
            assert row[name] == pytest.approx(known[row["group"]][name], abs=1e-3), (row["group"], name)


def test_a_text_scores_the_same_alone_and_among_others(judge: SequenceClassifier) -> None:
    texts = ["short", "", "a much longer text about the weather in spring " * 3, "Go away."]
    together = judge.score(texts)
    assert np.isnan(together[1]).all()
    for index in (0, 2, 3):
        np.testing.assert_allclose(judge.score([texts[index]])[0], together[index], atol=1e-5)
    assert judge.score([]).shape == (0, len(LABELS))


def test_nothing_of_a_long_text_stays_unread(judge: SequenceClassifier) -> None:
    calm = "The garden was quiet and the tea was warm. " * 40
    insult = "You are a worthless idiot and nobody likes you. " * 3
    alone, hidden, without = judge.score([insult, calm + insult, calm])[:, 0]
    assert without < 0.2
    assert hidden > 0.5
    assert alone > 0.5
    assert 0 < OVERLAP < WINDOW


def test_why_agrees_with_captum(judge: SequenceClassifier) -> None:
    text = "you are a stupid liar"
    found = explain(judge, text, steps=64)
    encoded = judge.tokenizer(text, return_tensors="pt")
    ids = encoded["input_ids"]
    baseline = ids.clone()
    baseline[:, 1:-1] = judge.tokenizer.pad_token_id

    def logit(tokens: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = judge.model(tokens, attention_mask=torch.ones_like(tokens)).logits[:, 0]
        return value

    layer = LayerIntegratedGradients(logit, judge.model.bert.embeddings.word_embeddings)
    reference = layer.attribute(ids, baselines=baseline, n_steps=64, method="riemann_middle").sum(-1)[0, 1:-1]
    np.testing.assert_allclose(found.scores, reference.detach().numpy(), atol=2e-3)
    assert found.tokens == ("you", "are", "a", "stupid", "liar")
    assert abs(found.delta) < 0.05 * abs(found.value)
    with pytest.raises(UnknownNameError):
        explain(judge, text, "nonsense")


def test_the_linear_baseline_and_unknown_names() -> None:
    found = classifier("linear").score(["you stupid idiot", "the tea was warm", "..."])
    assert found[0, 0] > found[1, 0]
    assert np.isnan(found[2, 0])
    assert set(CLASSIFIERS) == {"minilm", "toxic-bert", "linear", "bilstm"}
    with pytest.raises(UnknownNameError, match="minilm"):
        classifier("nothing")
    with pytest.raises(BackendError, match="missing"):
        linear.load(Path("/nowhere/linear.npz"))


def test_any_sequence_classifier_in_a_folder(tmp_path: Path, judge: SequenceClassifier) -> None:
    labels = {0: "toxic", 1: "insult"}
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=judge.tokenizer.vocab_size, id2label=labels, **sizes)
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    judge.tokenizer.save_pretrained(tmp_path)
    found = hub_bert.load(str(tmp_path))
    assert found.labels == ("toxic", "insult")
    assert found.multi_label
    scores = found.score(["a text"])
    assert ((scores > 0) & (scores < 1)).all()
    with pytest.raises(BackendError, match="not found"):
        hub_bert.load("nobody/such-classifier")


def test_a_label_nobody_judged_costs_nothing() -> None:
    logits = torch.zeros(2, 5)
    nan = float("nan")
    labels = torch.tensor([[1.0, nan, nan, nan, nan], [0.0, 1.0, nan, nan, nan]])
    assert masked_loss(logits, labels).item() == pytest.approx(np.log(2) * (2 + LABEL_WEIGHTS[1]) / 2)


def test_an_accelerator_says_the_same(judge: SequenceClassifier) -> None:
    texts = ["You are a worthless idiot.", "", "The train leaves at nine. " * 40]
    near, why = judge.score(texts), explain(judge, texts[0], steps=8)
    far = embedded_bert.load()
    with pretended_device() as device:
        far.model.to(device)
        np.testing.assert_allclose(far.score(texts), near, atol=1e-6)
        np.testing.assert_allclose(explain(far, texts[0], steps=8).scores, why.scores, atol=1e-5)


def test_it_lies_on_an_accelerator_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.fastest() == (devices.present()[1] if len(devices.present()) > 1 else "cpu")
    monkeypatch.setattr(devices, "present", lambda: ("cpu", "meta"))
    assert embedded_bert.load().model.device.type == "meta"


def test_our_sentences_have_no_wording_in_both_parts(tmp_path: Path) -> None:
    train_rows, held_out = own_sentences("train"), own_sentences("held_out")
    assert not set(train_rows.texts) & set(held_out.texts)
    assert all("{" not in text for text in (*train_rows.texts, *held_out.texts))
    with pytest.raises(InputError, match="no such file"):
        read_mix(tmp_path / "none.csv", "train")
    (tmp_path / "bad.csv").write_text("src,text\na,b\n")
    with pytest.raises(InputError, match="no column split"):
        read_mix(tmp_path / "bad.csv", "train")
