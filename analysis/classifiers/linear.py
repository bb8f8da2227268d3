"""A linear baseline without a word list: letter sequences of a text, hashed, times weights learnt from the same data.

Only for comparison: what the BERT classifier must beat to be worth its cost. It knows the label `toxic` only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headscope.analysis.errors import BackendError
from headscope.analysis.types import Float32

WEIGHTS = Path(__file__).with_name("toxicity") / "linear.npz"
NAME = "linear-toxicity-1"
FEATURES = 2**16


def vectorizer() -> Any:
    """Letter sequences of 2 to 5 inside words, hashed into `FEATURES` columns; needs no vocabulary."""
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), n_features=FEATURES, dtype=np.float32)


class LinearClassifier:
    """Logistic regression over hashed letter sequences."""

    labels: tuple[str, ...] = ("toxic",)

    def __init__(self, weights: Float32, bias: float, threshold: float, name: str = NAME) -> None:
        self.name, self.weights, self.bias, self._threshold = name, weights, bias, threshold
        self._vectorizer = vectorizer()

    def threshold(self, label: str) -> float:
        """The probability from which it says yes; it knows one label."""
        return self._threshold

    def score(self, texts: Sequence[str]) -> Float32:
        """Probabilities `[text, 1]`; NaN for a text without a letter or digit."""
        if not texts:
            return np.empty((0, 1), dtype=np.float32)
        logits = self._vectorizer.transform(texts) @ self.weights + self.bias
        empty = np.array([not any(c.isalnum() for c in text) for text in texts])
        probabilities = np.where(empty, np.nan, 1.0 / (1.0 + np.exp(-logits)))
        return np.asarray(probabilities[:, None], dtype=np.float32)


def load(path: Path = WEIGHTS) -> LinearClassifier:
    """The shipped weights. Raises BackendError when they are missing."""
    if not path.is_file():
        raise BackendError(f"{path} is missing: install Headscope again.")
    with np.load(path) as stored:
        weights = stored["weights"].astype(np.float32)
        return LinearClassifier(weights, float(stored["bias"]), float(stored["threshold"]))
