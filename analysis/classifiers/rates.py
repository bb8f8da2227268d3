"""Rates over stored scores: how many texts a classifier flags, raw and corrected for the errors on its card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headscope.analysis.classifiers.card import USUAL, Judged, judged, own_thresholds
from headscope.analysis.statistics.intervals import SHARES, of_moments
from headscope.analysis.statistics.prevalence import Rate, rate

BINS = 20
METHOD = (
    "Raw: the share of texts scored at or above the threshold, with Wilson's 95 % interval. Corrected: the share that "
    "people would have called so, by Rogan and Gladen (1978) from the sensitivity and specificity on the classifier's "
    "card at that threshold; its 95 % interval is a score interval that carries what the card's test texts leave open "
    "(Wilson's with the adjusted estimates of Lang and Reiczigel 2014)."
)
HOLDS = (
    "The card's error rates hold for texts like its test split, people writing on the web. On other texts, as language "
    "models write them, they may be higher or lower, and the corrected rate is off by as much."
)


@dataclass(frozen=True, slots=True)
class Cuts:
    """From which score on a text counts: `own` by classifier and label, `usual` for all others."""

    own: Mapping[tuple[str, str], float]
    usual: float

    def at(self, classifier: str, label: str) -> float:
        """The threshold of a label."""
        return self.own.get((classifier, label), self.usual)


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """What was counted of one label. group: of the runs, "" for all. n: texts with a score; unscored: without one.
    over: scores at or above the threshold. mean, sd, skewness: of the scores, NaN for none. bins: scores by twentieths
    of [0, 1], the last one closed."""

    group: str
    classifier: str
    part: str
    label: str
    n: int
    unscored: int
    over: int
    mean: float
    sd: float
    skewness: float
    bins: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScoredRate:
    """Counts with their rate; mean_low, mean_high: the mean's 95 % interval by `of_moments`, NaN below five texts."""

    counts: ScoreCounts
    judged: Judged
    rate: Rate
    mean_low: float
    mean_high: float

    @property
    def reason(self) -> str:
        """Why there is no corrected rate; "" where there is one."""
        return self.rate.reason and (self.judged.reason or self.rate.reason)


def cuts(percent: int = 0) -> Cuts:
    """Every classifier's own thresholds, or `percent` / 100 for all."""
    return Cuts({}, percent / 100) if percent else Cuts(own_thresholds(), USUAL)


def rated(counts: ScoreCounts, percent: int = 0) -> ScoredRate:
    """The rate behind counts that were made with `cuts(percent)`."""
    known = judged(counts.classifier, counts.label, percent)
    of = (np.array(item) for item in (counts.n, counts.mean, counts.sd, counts.skewness))
    low, high = (float(end) for end in of_moments(*of, within=SHARES))
    return ScoredRate(counts, known, rate(counts.over, counts.n, known.errors), low, high)


def as_row(found: ScoredRate) -> dict[str, object]:
    """One line of a table: for notebooks, files and the command line; NaN where there is none."""
    counts, share, errors = found.counts, found.rate, found.judged.errors
    return {
        "group": counts.group,
        "classifier": counts.classifier,
        "part": counts.part,
        "label": counts.label,
        "threshold": found.judged.threshold,
        "n": counts.n,
        "unscored": counts.unscored,
        "flagged": counts.over,
        "raw": share.raw,
        "raw_low": share.low,
        "raw_high": share.high,
        "corrected": share.corrected,
        "corrected_low": share.corrected_low,
        "corrected_high": share.corrected_high,
        "reason": found.reason,
        "sensitivity": math.nan if errors is None else errors.sensitivity,
        "specificity": math.nan if errors is None else errors.specificity,
        "positives": None if errors is None else errors.positives,
        "negatives": None if errors is None else errors.negatives,
        "mean": counts.mean,
        "mean_low": found.mean_low,
        "mean_high": found.mean_high,
    }
