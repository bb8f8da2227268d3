"""What was measured of the shipped toxicity classifiers, read from the files beside their weights. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from headscope.analysis.statistics.prevalence import ErrorCounts

CARD_FILE, ERRORS_FILE, WEAKNESSES_FILE = "card.json", "errors.json", "weaknesses.json"
FOLDER = Path(__file__).with_name("toxicity")
SCORERS = ("minilm", "linear")
"""Names in `registry.CLASSIFIERS` of those with a card, in its order."""
HUNDREDTHS = tuple(percent / 100 for percent in range(1, 100))
"""The thresholds at which errors were counted."""
USUAL = 0.5
"""The threshold of a classifier that states none."""


@dataclass(frozen=True, slots=True)
class ScorerCard:
    """scorer: its name in `registry.CLASSIFIERS`. threshold: of `toxic`. figures: lines `{name, value, low, high, n}`.
    reliability: a `statistics.calibration.Reliability`. identity_swaps: score shift by group word. functional: a
    `training.functional_tests.FunctionalTest` each. weaknesses: known ones, in sentences."""

    scorer: str
    classifier: str
    threshold: float
    figures: tuple[Mapping[str, Any], ...]
    reliability: Mapping[str, Any]
    identity_swaps: tuple[Mapping[str, Any], ...]
    functional: tuple[Mapping[str, Any], ...]
    weaknesses: tuple[str, ...]

    def figure(self, name: str) -> Mapping[str, Any]:
        """The line called `name`. Raises KeyError."""
        for line in self.figures:
            if line["name"] == name:
                return line
        raise KeyError(name)


@lru_cache(maxsize=1)
def cards(folder: Path = FOLDER) -> Mapping[str, ScorerCard]:
    """By the name that is stored with scores: the shipped classifier's card, then the linear baseline's."""
    stated = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    weak = json.loads((folder / WEAKNESSES_FILE).read_text(encoding="utf-8"))
    figures = {stated["classifier"]: stated["figures"], stated["baseline"]["classifier"]: stated["baseline"]["figures"]}
    return {
        name: _card(scorer, name, figures[name], stated["audit"][name], weak[name])
        for scorer, name in zip(SCORERS, figures, strict=True)
    }


def card() -> ScorerCard:
    """The card of the shipped classifier."""
    return next(iter(cards().values()))


def _card(scorer: str, name: str, figures: Any, audit: Mapping[str, Any], weaknesses: Any) -> ScorerCard:
    tests, swaps, curve = tuple(audit["functional"]), tuple(audit["identity_swaps"]), audit["reliability"]
    return ScorerCard(scorer, name, audit["threshold"], tuple(figures), curve, swaps, tests, tuple(weaknesses))


@dataclass(frozen=True, slots=True)
class Judged:
    """A label at a threshold: the classifier's own (`own`) or a chosen one; its error counts, None with a `reason`."""

    threshold: float
    own: bool
    errors: ErrorCounts | None
    reason: str = ""


def judged(classifier: str, label: str, percent: int = 0) -> Judged:
    """How a classifier, by the name that is stored with its scores, says yes to a label: from its own threshold on, or
    from `percent` / 100. One that came from elsewhere has no measured errors, and the usual threshold of .5."""
    labels = _stated().get(classifier)
    row = {} if labels is None else labels.get(label, {})
    threshold = percent / 100 if percent else float(row.get("threshold", USUAL))
    own = not percent or threshold == row.get("threshold", USUAL)
    if labels is None:
        return Judged(threshold, own, None, f"{classifier} has no card here: its errors are not known")
    if "positives" not in row:
        return Judged(threshold, own, None, f"too few judged texts for “{label}”: its errors are not known")
    at = round(threshold * 100) - 1
    counts = ErrorCounts(row["true_positives"][at], row["positives"], row["false_positives"][at], row["negatives"])
    return Judged(threshold, own, counts)


@lru_cache(maxsize=1)
def _stated() -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((FOLDER / ERRORS_FILE).read_text(encoding="utf-8"))
    return found


def own_thresholds() -> Mapping[tuple[str, str], float]:
    """By classifier and label, of the classifiers that come along."""
    return {(name, label): row["threshold"] for name, labels in _stated().items() for label, row in labels.items()}
