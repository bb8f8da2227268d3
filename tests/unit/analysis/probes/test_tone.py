"""Sentiment and regard of texts: against VADER itself and against the classifier's own probabilities; and what neither
can measure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from headscope.analysis.classifiers import embedded_bert, regard, vader
from headscope.analysis.classifiers.tone_limits import LIMITS
from headscope.analysis.errors import BackendError
from headscope.analysis.models.places import MODEL_DIR_VARIABLE
from headscope.analysis.probes.regard import Regard
from headscope.analysis.probes.sentiment import Sentiment
from headscope.analysis.probes.tone import NO_CONTINUATION, NO_WORD
from headscope.analysis.registry import PROBES
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ProbeResult
from tests.factories import make_result

REGARD_LABELS = ("negative", "neutral", "positive", "other")
TEXTS = (" was kind and loved by everyone!", " was not a good man", " was a table", " :)", "Ärger \U0001f600 ends")


@pytest.fixture(autouse=True)
def _own_regard() -> Iterator[None]:
    regard.load.cache_clear()
    yield
    regard.load.cache_clear()


def only(found: tuple[object, ...]) -> ProbeResult:
    (one,) = found
    assert isinstance(one, ProbeResult)
    return one


def test_sentiment_is_what_vader_says() -> None:
    own = SentimentIntensityAnalyzer()
    rows = [only(row) for row in Sentiment().of_texts([("The nurse", text) for text in TEXTS])]
    assert [row.score for row in rows] == [own.polarity_scores(text)["compound"] for text in TEXTS]
    assert [row.label for row in rows] == ["positive", "negative", "neutral", "positive", "positive"]
    assert rows[0].evidence["classifier"] == vader.load().name == "vader-3.3.2"
    assert rows[0].evidence["prompt"] == 0.0
    marked = [[text[a:b] for a, b in row.evidence.get("spans", [])] for text, row in zip(TEXTS, rows, strict=True)]
    assert marked == [["kind", "loved"], ["good"], [], [":)"], []]
    sums = [sum(row.evidence[name] for name in vader.SHARES) for row in rows]
    np.testing.assert_allclose(sums, 1.0, atol=0.002)


def test_the_limits_that_are_told_are_true() -> None:
    own = SentimentIntensityAnalyzer()
    assert len(own.lexicon) == pytest.approx(7_500, abs=50)
    words = {"blind": -1.7, "deaf": None, "poor": -2.1, "rich": 2.6}
    assert {word: own.lexicon.get(word) for word in words} == words
    near, far = (
        own.polarity_scores(f"it was not {words} good")["compound"] for words in ("very very", "on the table so")
    )
    assert near < 0 < far
    assert {name for name, entry in PROBES.items() if entry.texts} == set(LIMITS)


def test_what_cannot_be_read_has_a_reason_and_no_number() -> None:
    silent, wordless = (only(row) for row in Sentiment().of_texts([("A kind cook", None), ("A kind cook", " ... \n")]))
    assert math.isnan(silent.score)
    assert math.isnan(wordless.score)
    assert (silent.evidence["error"], wordless.evidence["error"]) == (NO_CONTINUATION, NO_WORD)
    assert silent.evidence["prompt"] == SentimentIntensityAnalyzer().polarity_scores("A kind cook")["compound"]
    assert only(Sentiment().of_texts([("?!", " good")])[0]).evidence["prompt"] is None


def test_the_probe_reads_the_continuation_alone() -> None:
    results = [make_result(Prompt("p", "A horrible, hateful prompt"), seed=i) for i in range(2)]
    results[1] = replace(results[1], continuation=None)
    said, silent = (only(row) for row in Sentiment().score(None, results, {}))  # type: ignore[arg-type]
    assert said.score == 0.0
    assert said.evidence["prompt"] < -0.5
    assert silent.evidence["error"] == NO_CONTINUATION


def build(folder: Path, labels: tuple[str, ...], problem: str | None = None) -> None:
    tokenizer = embedded_bert.load().tokenizer
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(5)
    names = dict(enumerate(labels))
    config = BertConfig(vocab_size=tokenizer.vocab_size, id2label=names, problem_type=problem, initializer_range=1.0,
                        **sizes)  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def test_regard_is_positive_minus_negative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / regard.OWN
    build(folder, REGARD_LABELS)
    monkeypatch.setenv(MODEL_DIR_VARIABLE, str(tmp_path))
    rows = [only(row) for row in Regard().of_texts([("The man", text) for text in TEXTS[:3]])]
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    encoded = AutoTokenizer.from_pretrained(folder)(list(TEXTS[:3]), padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = model(**encoded).logits.softmax(-1).numpy()
    np.testing.assert_allclose([row.score for row in rows], expected[:, 2] - expected[:, 0], atol=1e-5)
    assert [row.label for row in rows] == [REGARD_LABELS[i] for i in expected.argmax(-1)]
    assert rows[0].evidence["classifier"] == "regardv3"
    assert {name for name in rows[0].evidence if name in REGARD_LABELS} == set(REGARD_LABELS)


@pytest.mark.parametrize(
    ("labels", "problem", "says"),
    [
        (("label_0", "label_1"), None, "does not judge regard: its labels are label_0, label_1"),
        (("negative", "positive"), None, "negative, neutral, positive and"),
        (REGARD_LABELS, "multi_label_classification", "its yes-or-no labels are"),
    ],
)
def test_other_labels_are_refused(tmp_path: Path, labels: tuple[str, ...], problem: str | None, says: str) -> None:
    build(tmp_path, labels, problem)
    with pytest.raises(BackendError, match=says):
        regard.named(str(tmp_path))


def test_without_one_of_the_users_own_the_one_that_comes_along_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODEL_DIR_VARIABLE, str(tmp_path))
    said = (" was a gifted surgeon whom everybody admired.", " was a clerk.", " stole from the poor box and laughed.")
    rows = [only(row) for row in Regard().of_texts([("The man", text) for text in said])]
    assert [row.label for row in rows] == ["positive", "neutral", "negative"]
    assert {row.evidence["classifier"] for row in rows} == {regard.NAME}
    assert rows[0].score == pytest.approx(rows[0].evidence["positive"] - rows[0].evidence["negative"], abs=1e-3)


def test_a_broken_classifier_of_the_users_own_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / regard.OWN, ("negative", "positive"))
    monkeypatch.setenv(MODEL_DIR_VARIABLE, str(tmp_path))
    with pytest.raises(BackendError, match="does not judge regard"):
        Regard().of_texts([("a", "b")])
