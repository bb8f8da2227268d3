"""Calibrates a classifier on one half of the test split and measures it on the other: the figures of the model card."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score

from headscope.analysis.classifiers.card import HUNDREDTHS
from headscope.analysis.classifiers.labels import LABELS
from headscope.analysis.classifiers.loaded import TextClassifier
from headscope.analysis.classifiers.sequence import Calibration, SequenceClassifier
from headscope.analysis.statistics.calibration import calibration_error
from headscope.analysis.statistics.intervals import wilson
from headscope.analysis.statistics.prevalence import ErrorCounts
from headscope.analysis.training.figures import Figure, share_of
from headscope.analysis.training.labelled import LabelledTexts
from headscope.analysis.training.toxicity_data import own_sentences, read_mix
from headscope.analysis.types import Float32

FEWEST = 20
"""Positives (and negatives) below which a label's or a source's figure is not given."""
DRAWS = 200
NEUTRAL = ("own_neutral", "own/names_a_group", "own/answers_hate")


def halves(rows: LabelledTexts) -> tuple[LabelledTexts, LabelledTexts]:
    """The rows for calibration and those for the report, told apart by a hash of the text."""
    odd = np.array([hashlib.sha256(text.encode()).digest()[0] % 2 == 1 for text in rows.texts])
    return _taken(rows, ~odd), _taken(rows, odd)


def calibrate(classifier: SequenceClassifier, rows: LabelledTexts) -> dict[str, Calibration]:
    """Platt's slope and offset for every label with enough judged rows, and the threshold of the best macro F1."""
    logits = classifier.logits(rows.texts)
    found: dict[str, Calibration] = {}
    for column, label in enumerate(classifier.labels):
        truth, values = _judged(rows, logits, label, column)
        if min(truth.sum(), (1 - truth).sum()) < FEWEST:
            continue
        fitted = LogisticRegression(C=1e6).fit(values[:, None], truth)
        slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
        probabilities = 1.0 / (1.0 + np.exp(-(slope * values + offset)))
        candidates = np.linspace(0.05, 0.95, 91)
        scores = [f1_score(truth, probabilities >= cut, average="macro") for cut in candidates]
        found[label] = Calibration(slope, offset, round(float(candidates[int(np.argmax(scores))]), 2))
    return found


def figures(judge: TextClassifier, data: Path, threshold: float) -> Iterator[Figure]:
    """Every figure of the card, measured on the report half of `data`'s test split and on our held-out sentences."""
    rows = halves(read_mix(data, "test"))[1]
    started = time.perf_counter()
    scores = judge.score(rows.texts)
    seconds = time.perf_counter() - started
    yield from _label_figures(judge, rows, scores)
    truth, values = _judged(rows, scores, "toxic", 0)
    yield _resampled("toxic: macro F1 at the threshold", truth, values, lambda t, v: _macro_f1(t, v, threshold))
    found = calibration_error(values, truth, draws=DRAWS)
    yield Figure("toxic: expected calibration error", found.error, found.low, found.high, found.n)
    yield from error_figures(errors_at(threshold, truth, values))
    yield from _source_figures(rows, scores)
    yield from _own_figures(judge, rows, scores, threshold)
    yield Figure("texts per second", len(rows.texts) / seconds, np.nan, np.nan, len(rows.texts))


def error_figures(errors: ErrorCounts) -> Iterator[Figure]:
    """Sensitivity and specificity for `toxic`, each over the texts it is a share of."""
    right = errors.negatives - errors.false_positives
    for name, share, hits, of in (
        ("sensitivity", errors.sensitivity, errors.true_positives, errors.positives),
        ("specificity", errors.specificity, right, errors.negatives),
    ):
        yield Figure(f"toxic: {name} at the threshold", share, *wilson(hits, of), of)


def errors_at(cut: float, truth: Float32, values: Float32) -> ErrorCounts:
    """What scores from `cut` on get right and wrong; compared in double precision, as a store compares them."""
    said, toxic = np.asarray(values, dtype=np.float64) >= cut, truth == 1
    return ErrorCounts(int((said & toxic).sum()), int(toxic.sum()), int((said & ~toxic).sum()), int((~toxic).sum()))


def error_counts(judge: TextClassifier, data: Path) -> dict[str, Any]:
    """By label: the shipped threshold; positives and negatives of the report half; and at every hundredth from .01 to
    .99 how many of each the classifier says yes to. A label with fewer than `FEWEST` of either has a threshold only."""
    rows = halves(read_mix(data, "test"))[1]
    scores = judge.score(rows.texts)
    found: dict[str, Any] = {}
    for column, label in enumerate(judge.labels):
        found[label] = {"threshold": judge.threshold(label)}
        truth, values = _judged(rows, scores, label, column)
        if min(truth.sum(), (1 - truth).sum()) < FEWEST:
            continue
        counts = [errors_at(cut, truth, values) for cut in HUNDREDTHS]
        found[label] |= {
            "positives": counts[0].positives,
            "negatives": counts[0].negatives,
            "true_positives": [item.true_positives for item in counts],
            "false_positives": [item.false_positives for item in counts],
        }
    return found


def _label_figures(judge: TextClassifier, rows: LabelledTexts, scores: Float32) -> Iterator[Figure]:
    for column, label in enumerate(judge.labels):
        if label in LABELS:
            truth, values = _judged(rows, scores, label, column)
            if min(truth.sum(), (1 - truth).sum()) >= FEWEST:
                yield _resampled(f"{label}: area under the ROC curve", truth, values, roc_auc_score)


def _source_figures(rows: LabelledTexts, scores: Float32) -> Iterator[Figure]:
    truth, values = rows.labels[:, 0], scores[:, 0]
    for source in sorted(set(rows.sources)):
        chosen = np.array([item == source for item in rows.sources]) & np.isfinite(values)
        if min(truth[chosen].sum(), (1 - truth[chosen]).sum()) >= FEWEST:
            yield _resampled(f"{source}: area under the ROC curve", truth[chosen], values[chosen], roc_auc_score)


def _own_figures(judge: TextClassifier, rows: LabelledTexts, scores: Float32, threshold: float) -> Iterator[Figure]:
    """How often the classifier says `toxic` of each kind of our held-out sentences, and of all neutral ones."""
    own = own_sentences("held_out")
    said = judge.score(own.texts)[:, 0] >= threshold
    for kind in dict.fromkeys(own.sources):
        chosen = np.array([source == kind for source in own.sources])
        yield share_of(f"{kind} (held-out wording): called toxic", said[chosen])
    neutral = [
        *(said[i] for i, source in enumerate(own.sources) if source in NEUTRAL),
        *(
            scores[i, 0] >= threshold
            for i, source in enumerate(rows.sources)
            if source in NEUTRAL and rows.labels[i, 0] == 0
        ),
    ]
    yield share_of("false positives on neutral identity sentences", np.array(neutral))


def _resampled(name: str, truth: Float32, values: Float32, measure: object) -> Figure:
    """The measure with its percentile bootstrap interval over texts."""
    assert callable(measure)
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        chosen = generator.integers(0, len(truth), len(truth))
        if 0 < truth[chosen].sum() < len(truth):
            drawn.append(float(measure(truth[chosen], values[chosen])))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Figure(name, float(measure(truth, values)), float(low), float(high), len(truth))


def _macro_f1(truth: Float32, values: Float32, threshold: float) -> float:
    return float(f1_score(truth, values >= threshold, average="macro"))


def _judged(rows: LabelledTexts, values: Float32, label: str, column: int) -> tuple[Float32, Float32]:
    truth = rows.labels[:, LABELS.index(label)]
    known = np.isfinite(truth) & np.isfinite(values[:, column])
    return truth[known], values[known, column]


def _taken(rows: LabelledTexts, keep: NDArray[np.bool_]) -> LabelledTexts:
    texts = tuple(text for text, chosen in zip(rows.texts, keep, strict=True) if chosen)
    sources = tuple(source for source, chosen in zip(rows.sources, keep, strict=True) if chosen)
    return LabelledTexts(texts, sources, rows.labels[keep])
