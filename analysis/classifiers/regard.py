"""A sequence classifier of regard: how a text speaks of the people in it (Sheng et al. 2019, arXiv:1909.01326)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from headscope.analysis.classifiers import hub_bert
from headscope.analysis.classifiers.sequence import SequenceClassifier
from headscope.analysis.classifiers.tone import Reading
from headscope.analysis.errors import BackendError

DEFAULT = "sasha/regardv3"
NEEDED, OTHER = ("negative", "neutral", "positive"), "other"


class Regard:
    """score: P(positive) - P(negative), in [-1, 1]. label: the likeliest. Evidence: the probability of every label."""

    def __init__(self, judge: SequenceClassifier) -> None:
        self.name, self._judge = judge.name, judge

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """In the order of `texts`; NaN for one without a token."""
        rows = self._judge.score(texts).astype(np.float64)
        return [Reading() if np.isnan(row).any() else self._reading(row.tolist()) for row in rows]

    def _reading(self, row: list[float]) -> Reading:
        shares = dict(zip(self._judge.labels, row, strict=True))
        return Reading(shares["positive"] - shares["negative"], max(shares, key=lambda label: shares[label]), shares)


@lru_cache(maxsize=1)
def load(name: str = DEFAULT) -> Regard:
    """The classifier `name` (see `hub_bert.load`), loaded once in a process.

    Raises BackendError when it is nowhere, or when its labels are not those of regard, of which one holds.
    """
    judge = hub_bert.load(name)
    if not set(NEEDED) <= set(judge.labels) <= {*NEEDED, OTHER} or judge.multi_label:
        kind = "yes-or-no labels" if judge.multi_label else "labels"
        raise BackendError(
            f"{name} does not judge regard: its {kind} are {', '.join(judge.labels)}. A classifier of regard says one "
            f"of {', '.join(NEEDED)} and, if it likes, {OTHER} (`id2label` in its config.json): put one into the "
            f"folder {DEFAULT} below HEADSCOPE_MODEL_DIR."
        )
    return Regard(judge)
