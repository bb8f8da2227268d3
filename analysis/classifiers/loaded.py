"""Classifiers are loaded once per process and kept: a batch must not wait for them again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from headscope.analysis import registry
from headscope.analysis.types import Float32


class TextClassifier(Protocol):
    """name: what is stored with a score. labels: the columns of `score`."""

    @property
    def name(self) -> str:
        """Name and version."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of `score`."""

    def threshold(self, label: str) -> float:
        """The probability of `label` from which this classifier says yes."""

    def score(self, texts: Sequence[str]) -> Float32:
        """Probabilities `[text, label]`, NaN for a text that cannot be judged."""


@lru_cache(maxsize=2)
def classifier(name: str) -> TextClassifier:
    """The classifier registered as `name`. Raises UnknownNameError, or BackendError when it is not installed."""
    loaded: TextClassifier = registry.CLASSIFIERS.find(name).load()()
    return loaded
