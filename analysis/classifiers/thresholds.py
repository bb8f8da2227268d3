"""From which probability of `toxic` on each classifier calls a text toxic, read from what lies beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from headscope.analysis.classifiers import linear
from headscope.analysis.classifiers.card import card

USUAL = 0.5
"""Of a classifier that says nothing of its own."""


@lru_cache(maxsize=1)
def own_thresholds() -> Mapping[str, float]:
    """Threshold by the name stored with a score, of the classifiers that come along; `USUAL` holds for all others."""
    with np.load(linear.WEIGHTS) as stored:
        return {card().classifier: card().threshold, linear.NAME: float(stored["threshold"])}
