"""A sequence classifier of regard: how a text speaks of the people in it (Sheng et al. 2019, arXiv:1909.01326)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from headscope.analysis.classifiers import embedded_bert, hub_bert
from headscope.analysis.classifiers.sequence import SequenceClassifier
from headscope.analysis.classifiers.tone import Reading
from headscope.analysis.errors import BackendError
from headscope.analysis.models.places import Absent, on_disk

OWN = "sasha/regardv3"
"""What a user's own classifier of regard is called; where there is one, it judges."""
NAME = "minilm-regard-1"
FOLDER = Path(__file__).with_name("regard_weights")
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
def load() -> Regard:
    """The user's own classifier of regard (`OWN`, in HEADSCOPE_MODEL_DIR or the hub's cache), else the one that comes
    along; loaded once in a process. Raises what `named` and `embedded` do."""
    try:
        on_disk(OWN)
    except Absent:
        return Regard(embedded())
    return Regard(named(OWN))


def embedded(folder: Path = FOLDER) -> SequenceClassifier:
    """The classifier that comes along. Raises BackendError when the encoder is not installed."""
    return SequenceClassifier(NAME, *embedded_bert.adapted(folder, NEEDED, "single_label_classification"), NEEDED, {})


def named(name: str) -> SequenceClassifier:
    """The classifier `name` (see `hub_bert.load`). Raises BackendError when it is nowhere, or when its labels are not
    those of regard, of which one holds."""
    judge = hub_bert.load(name)
    if not set(NEEDED) <= set(judge.labels) <= {*NEEDED, OTHER} or judge.multi_label:
        kind = "yes-or-no labels" if judge.multi_label else "labels"
        raise BackendError(
            f"{name} does not judge regard: its {kind} are {', '.join(judge.labels)}. A classifier of regard says one "
            f"of {', '.join(NEEDED)} and, if it likes, {OTHER} (`id2label` in its config.json)."
        )
    return judge
