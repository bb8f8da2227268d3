"""How the classifier is trained, calibrated and audited: real steps on the real encoder, over a few sentences."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

from headscope.analysis.classifiers import embedded_bert
from headscope.analysis.classifiers.labels import LABELS
from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.classifiers.sequence import SequenceClassifier
from headscope.analysis.errors import InputError
from headscope.analysis.models import minilm
from headscope.analysis.statistics.intervals import wilson
from headscope.analysis.training import functional_tests, toxicity_audit
from headscope.analysis.training.toxicity import Recipe, train
from headscope.analysis.training.toxicity_data import LabelledTexts, own_sentences
from headscope.analysis.training.toxicity_report import halves

BASE = minilm.folder()
pytestmark = pytest.mark.skipif(BASE is None, reason="the encoder's package is not installed")
STEPS = 12
TEXTS = ("What a pathetic loser you are.", "My aunt teaches a class for young people.")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    assert BASE is not None
    rows = own_sentences("train")
    few = [i for i, source in enumerate(rows.sources) if source in ("own/plain_insult", "own/names_a_group")][::4]
    chosen = LabelledTexts(tuple(rows.texts[i] for i in few), tuple(rows.sources[i] for i in few), rows.labels[few])
    recipe = Recipe(batch_size=8, warmup=1, max_length=16, learning_rate=4e-3, epochs=STEPS * 8 / len(few))
    folder = tmp_path_factory.mktemp("adapter")
    return folder, train(BASE, chosen, folder, recipe, lambda line: None)


def test_a_few_steps_lower_the_loss(trained: tuple[Path, list[float]]) -> None:
    folder, losses = trained
    assert len(losses) == STEPS
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])
    scores = embedded_bert.load(folder).score(TEXTS)[:, 0]
    assert scores[0] > scores[1]


def test_the_adapter_written_into_the_weights_says_what_peft_makes_of_it(trained: tuple[Path, list[float]]) -> None:
    merged = embedded_bert.load(trained[0])
    base = AutoModelForSequenceClassification.from_pretrained(BASE, num_labels=len(LABELS))
    base.config.problem_type = "multi_label_classification"
    theirs = SequenceClassifier("peft", PeftModel.from_pretrained(base, trained[0]), merged.tokenizer, LABELS, {})
    np.testing.assert_allclose(merged.logits(TEXTS), theirs.logits(TEXTS), atol=1e-5)


def test_no_text_is_both_calibrated_and_reported_on() -> None:
    texts = tuple(f"text {i % 300}" for i in range(400))
    rows = LabelledTexts(texts, texts, np.arange(400, dtype=np.float32)[:, None])
    first, second = halves(rows)
    assert not set(first.texts) & set(second.texts)
    assert sorted([*first.labels[:, 0], *second.labels[:, 0]]) == list(range(400))
    assert min(len(first.texts), len(second.texts)) > 150
    assert all(hashlib.sha256(text.encode()).digest()[0] % 2 for text in second.texts)


def in_a_row(text: str, n: int = 5) -> set[tuple[str, ...]]:
    words = re.findall(r"[\w'’]+", text.lower())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def test_functional_tests_are_enough_and_nothing_was_trained_on_them() -> None:
    trained_on = set.union(*map(in_a_row, own_sentences("train").texts))
    kinds = functional_tests.kinds()
    sentences = [sentence for kind in kinds for sentence in kind.sentences]
    assert len(set(sentences)) == len(sentences)
    assert in_a_row("Nobody wants you here, loser.") <= trained_on
    assert not set.union(*map(in_a_row, sentences)) & trained_on
    assert all(len(kind.sentences) >= 20 for kind in kinds)
    assert {kind.toxic for kind in kinds} == {True, False}


def test_the_audit_part_of_a_card_is_written_anew(tmp_path: Path) -> None:
    """With the linear baseline for both: it is quick."""
    judge = classifier("linear")
    texts = [f"You are a fool, number {i}." if i % 2 else f"The tea of table {i} is warm." for i in range(80)]
    lines = [f'mine,test,"{text}",{i % 2},,,,' for i, text in enumerate(texts)]
    data, card = tmp_path / "data.csv", tmp_path / "card.json"
    data.write_text("\n".join(["src,split,text," + ",".join(LABELS), *lines]) + "\n")
    card.write_text(json.dumps({"classifier": judge.name, "baseline": {"classifier": judge.name}, "figures": [1]}))
    toxicity_audit.rewrite(tmp_path, (judge, judge), data)
    written = json.loads(card.read_text())
    assert written["figures"] == [1]
    audit = written["audit"][judge.name]
    kind, test = functional_tests.kinds()[0], audit["functional"][0]
    right = int((judge.score(kind.sentences)[:, 0] >= 0.5).sum())
    assert (test["kind"], test["right"], test["n"]) == (kind.kind, right, len(kind.sentences))
    assert (test["low"], test["high"]) == pytest.approx(wilson(right, len(kind.sentences)), abs=1e-5)
    assert sum(audit["reliability"]["counts"]) == audit["reliability"]["n"]
    card.write_text(json.dumps({"classifier": "another", "baseline": {"classifier": "b"}}))
    with pytest.raises(InputError, match="is the card of another and b"):
        toxicity_audit.rewrite(tmp_path, (judge, judge), data)
