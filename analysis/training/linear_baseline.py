"""Trains the linear baseline on the rows the BERT classifier is trained on: a minute on one core."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.linear_model import SGDClassifier

from headscope.analysis.classifiers.linear import LinearClassifier, vectorizer
from headscope.analysis.training.labelled import LabelledTexts


def train(rows: LabelledTexts, seed: int = 0) -> LinearClassifier:
    """Logistic regression by stochastic gradient descent on the label `toxic`."""
    known = np.isfinite(rows.labels[:, 0])
    texts = [text for text, keep in zip(rows.texts, known, strict=True) if keep]
    model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=20, random_state=seed)
    model.fit(vectorizer().transform(texts), rows.labels[known, 0])
    return LinearClassifier(model.coef_[0].astype(np.float32), float(model.intercept_[0]), 0.5)


def save(classifier: LinearClassifier, path: Path) -> None:
    """Half precision: 128 kB, and the ranking stays."""
    np.savez_compressed(
        path,
        weights=classifier.weights.astype(np.float16),
        bias=np.float32(classifier.bias),
        threshold=np.float32(classifier.threshold("toxic")),
    )
