"""Thresholds, error counts and rates of classifiers by the name that is stored with a score."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from scipy import stats

from headscope.analysis.classifiers.card import FOLDER, card, judged, own_thresholds
from headscope.analysis.classifiers.rates import BINS, ScoreCounts, as_row, cuts, rated
from headscope.analysis.statistics.prevalence import rate

MINILM, LINEAR = "minilm-toxicity-2", "linear-toxicity-1"


def counts(classifier: str = MINILM, label: str = "toxic", over: int = 12) -> ScoreCounts:
    return ScoreCounts("", classifier, "continuation", label, 100, 0, over, 0.2, 0.1, 1.5, (100, *[0] * (BINS - 1)))


def test_error_counts_are_those_of_the_card() -> None:
    stated = card()
    own = judged(stated.classifier, "toxic")
    assert (own.threshold, own.own, own.reason) == (stated.threshold, True, "")
    assert not judged(stated.classifier, "toxic", 50).own
    assert own.errors is not None
    assert own.errors.positives + own.errors.negatives == stated.reliability["n"]
    for name, value in (("sensitivity", own.errors.sensitivity), ("specificity", own.errors.specificity)):
        assert stated.figure(f"toxic: {name} at the threshold")["value"] == round(value, 5)


def test_every_label_has_its_own_threshold() -> None:
    assert own_thresholds()[MINILM, "toxic"] == card().threshold == cuts().at(MINILM, "toxic")
    calibration = json.loads((FOLDER / "calibration.json").read_text())
    assert own_thresholds()[MINILM, "insult"] == calibration["insult"]["threshold"]
    assert own_thresholds()[LINEAR, "toxic"] == 0.5
    assert cuts().at("toxic-bert@abc", "toxic") == 0.5
    assert cuts(90).at(MINILM, "toxic") == 0.9


def test_a_rate_is_raw_only_where_errors_are_not_known() -> None:
    found = rated(counts())
    errors = judged(MINILM, "toxic").errors
    assert found.rate == rate(12, 100, errors)
    assert found.reason == ""
    half = stats.t.ppf(0.975, 99) * 0.01
    assert found.mean_low == pytest.approx(0.2 - half)
    assert 0.2 + half < found.mean_high < 0.2 + 1.3 * half  # Hall's, further out where values are skewed
    few, rare = rated(replace(counts(over=2), n=4)), rated(replace(counts(), mean=0.001))
    assert math.isnan(few.mean_low)
    assert rare.mean_low == 0
    strange, rare = rated(counts("toxic-bert@abc")), rated(counts(label="threat"))
    assert "toxic-bert@abc has no card" in strange.reason
    assert "too few judged texts for “threat”" in rare.reason
    row = as_row(strange)
    assert (row["raw"], row["flagged"], row["positives"]) == (0.12, 12, None)
    assert math.isnan(float(str(row["corrected"])))
