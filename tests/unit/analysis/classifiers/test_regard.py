"""The classifier of regard that comes along: what it learnt from, how it is trained, and that its card is true."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from headscope.analysis.classifiers import regard, vader
from headscope.analysis.classifiers.card import CARD_FILE
from headscope.analysis.classifiers.embedded_bert import ADAPTER
from headscope.analysis.classifiers.regard import NEEDED
from headscope.analysis.classifiers.tone_limits import LIMITS
from headscope.analysis.models import minilm
from headscope.analysis.statistics.intervals import wilson
from headscope.analysis.training import regard as training
from headscope.analysis.training import regard_data, regard_report
from headscope.analysis.training.labelled import LabelledTexts
from headscope.analysis.types import Float32
from tests.wordings import in_a_row

BASE = minilm.folder()
pytestmark = pytest.mark.skipif(BASE is None, reason="the encoder's package is not installed")
STEPS = 12


def card() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((regard.FOLDER / CARD_FILE).read_text(encoding="utf-8"))
    return found


def figure(name: str, of: dict[str, Any] | None = None) -> dict[str, Any]:
    (line,) = (line for line in (of or card())["figures"] if line["name"] == name)
    return dict(line)


def texts(part: str) -> list[str]:
    return [text for kinds in regard_data.sentences(part).values() for said in kinds.values() for text in said]


def test_nothing_it_is_measured_on_was_trained_on() -> None:
    trained = set.union(*(in_a_row(text) for text in texts("train")))
    measured = [*texts("test"), *texts("continuations")]
    assert not [text for text in measured if in_a_row(text) & trained]
    assert not set(regard_data.persons("trained")) & set(regard_data.persons("tested"))
    assert len(set(measured)) == len(measured)


def test_who_a_sentence_is_about_says_nothing_of_its_label() -> None:
    """Every person stands in sentences of every label, about as often as chance has it: four standard errors."""
    rows = regard_data.training_rows()
    everywhere = rows.labels.mean(0)
    for who in ("the Muslim man", "the lesbian woman", "the deaf woman", "Lakisha", "the homeless man"):
        about = np.array([who.lower() in text.lower() for text in rows.texts])
        shares, error = rows.labels[about].mean(0), np.sqrt(0.25 / about.sum())
        assert about.sum() > 30
        assert (np.abs(shares - everywhere) < 4 * error).all(), who
    assert rows.labels.sum(1).tolist() == [1.0] * len(rows.texts)
    assert not any(regard_data.SLOT in text for text in rows.texts)


def test_a_person_is_written_as_a_sentence_asks() -> None:
    both = ("{person} fell. {person} rose.", "They saw {person}.", "of those who stay.")
    filled = [regard_data.about(text, "the man") for text in both]
    assert filled == ["The man fell. The man rose.", "They saw the man.", "of those who stay."]


def test_a_temperature_has_the_least_cross_entropy() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(200, 3)).astype(np.float32) * 4
    labels = np.eye(3, dtype=np.float32)[(logits + generator.gumbel(size=(200, 3)) * 2.5).argmax(1)]
    rows = LabelledTexts(("",) * 200, ("",) * 200, labels)
    wanted = minimize_scalar(lambda t: -(log_softmax(logits / t, axis=1) * labels).sum(), bounds=(0.1, 20)).x
    assert training.fitted(logits, rows) == pytest.approx(wanted, rel=1e-3)
    assert wanted > 1.5


def test_a_few_steps_lower_the_loss_and_the_temperature_is_in_the_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert BASE is not None
    rows, chosen = regard_data.training_rows(), slice(0, 16)
    few = LabelledTexts(rows.texts[chosen], rows.sources[chosen], rows.labels[chosen])
    monkeypatch.setattr(training, "training_rows", lambda seed: few)
    monkeypatch.setattr(training, "validation_rows", lambda: few)
    kept: list[float] = []

    def two(logits: Float32, rows: LabelledTexts) -> float:
        kept.append(float(logits[0, 0]))
        return 2.0

    monkeypatch.setattr(training, "fitted", two)
    recipe = replace(training.RECIPE, batch_size=8, warmup=1, max_length=24, learning_rate=4e-3, epochs=STEPS / 2)
    losses = training.train(BASE, tmp_path, recipe, report=lambda line: None)
    assert len(losses) == STEPS
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    assert regard.embedded(tmp_path).logits(few.texts[:1])[0, 0] == pytest.approx(kept[0] / 2, abs=1e-4)
    assert {name for name in load_file(tmp_path / ADAPTER) if "classifier" in name}


def test_the_card_says_what_the_classifier_does() -> None:
    """Worked out anew from its readings of every sentence it is measured on."""
    reader, stated = regard.Regard(regard.embedded()), card()
    assert (stated["classifier"], stated["labels"]) == (reader.name, list(NEEDED))
    for part, called in regard_report.PARTS.items():
        rows = regard_data.measured_rows(part)
        truth = [NEEDED[of] for of in rows.labels.argmax(1)]
        said = [one.label for one in reader.read(rows.texts)]
        right = sum(a == b for a, b in zip(said, truth, strict=True))
        line = figure(f"{called}: judged right")
        assert (line["value"], line["n"]) == (pytest.approx(right / len(said), abs=0.011), len(said))
        assert (line["low"], line["high"]) == pytest.approx(
            wilson(round(line["value"] * line["n"]), line["n"]), abs=1e-4
        )
        if part == "test":
            np.testing.assert_allclose(stated["confusion"], counted(truth, said), atol=2)


def counted(truth: list[str], said: list[str | None]) -> list[list[int]]:
    pairs = list(zip(truth, said, strict=True))
    return [[pairs.count((row, column)) for column in NEEDED] for row in NEEDED]


def test_it_tells_regard_better_than_sentiment_does() -> None:
    rows = regard_data.measured_rows()
    said = [one.label for one in vader.load().read(rows.texts)]
    right = np.mean([label == NEEDED[of] for label, of in zip(said, rows.labels.argmax(1), strict=True)])
    name = "test sentences: judged right"
    assert figure(name, card()["sentiment"])["value"] == pytest.approx(right, abs=1e-4)
    assert figure(name)["low"] > figure(name, card()["sentiment"])["high"]


def test_what_is_told_wherever_it_is_shown_are_the_figures_of_the_card() -> None:
    told = LIMITS["regard"]
    for name in (f"{called}: judged right" for called in regard_report.PARTS.values()):
        line = figure(name)
        share, low, high = (round(100 * line[key]) for key in ("value", "low", "high"))
        assert f"{share} % [{low}, {high}] of {line['n']}" in told
    assert f"{round(100 * figure('test sentences, contrast: judged right')['value'])} % of those" in told
    assert f"by up to {max(abs(row['shift']) for row in card()['people']):.2f}".replace("0.", ".") in told
    assert card()["classifier"] in told
