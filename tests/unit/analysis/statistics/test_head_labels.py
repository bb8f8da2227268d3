"""Labels of heads: worked examples on both sides of a threshold, and how often a head without one gets it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.registry import METHODS
from headscope.analysis.statistics.head_labels import RULES, Average, head_labels
from headscope.analysis.statistics.intervals import FEWEST
from headscope.analysis.types import HEAD_STATS


def average(mean: list[float], sd: float = 0.1, n: int = 100) -> Average:
    """One layer of heads."""
    values = np.array([mean])
    return Average(np.full(values.shape, n), values, np.full(values.shape, sd), np.zeros(values.shape))


def names(found: dict[tuple[int, int], list[object]]) -> dict[tuple[int, int], list[str]]:
    return {cell: [label.rule.label for label in labels] for cell, labels in found.items()}  # type: ignore[attr-defined]


def test_a_label_needs_the_whole_interval() -> None:
    """Half-width of 100 runs with sd 0.1: 1.984 x 0.1 / 10 = 0.0198."""
    found = head_labels({"previous_token": average([0.49, 0.51, 0.519, 0.521, 0.9])})
    assert names(found) == {(0, 3): ["previous token"], (0, 4): ["previous token"]}
    (evidence,) = found[0, 3][0].evidence
    assert (evidence.mean, evidence.n, evidence.bound.threshold) == (0.521, 100, 0.5)
    assert (evidence.low, evidence.high) == pytest.approx((0.521 - 0.01984, 0.521 + 0.01984), abs=1e-5)


def test_every_bound_of_a_rule_must_hold() -> None:
    weight, lift = average([0.4, 0.4, 0.1]), average([3.0, 1.0, 3.0])
    assert names(head_labels({"induction": weight, "induction_lift": lift})) == {(0, 0): ["induction"]}
    assert head_labels({"induction": weight}) == {}


def test_removal_that_helps_and_removal_that_harms() -> None:
    found = names(head_labels({"head_ablation": average([0.2, 0.05, 0.0, -0.05, -0.2])}))
    assert found == {(0, 0): ["helps"], (0, 4): ["works against"]}


def test_a_name_mover_copies_by_weights_and_writes_the_answer() -> None:
    """By one of them alone nothing is said of name movers; suppression is a matter of weights, whom it helps is not."""
    weights, output = average([0.9, 0.9, 0.3, -0.9, -0.9, -0.3]), average([0.5, 0.0, 0.5, -0.5, 0.5, -0.5])
    found = names(head_labels({"ov_copying": weights, "direct_logit_attribution": output}))
    suppress = {(0, 3): ["copy suppression"], (0, 4): ["copy suppression"]}
    assert found == {(0, 0): ["name mover"], **suppress}
    assert names(head_labels({"ov_copying": weights})) == suppress
    assert head_labels({"direct_logit_attribution": output}) == {}


def test_too_few_runs_and_nothing_measured_have_no_label() -> None:
    assert head_labels({"first_token": average([0.99], n=FEWEST - 1)}) == {}
    unmeasured = Average(np.zeros((1, 1), int), *[np.full((1, 1), np.nan)] * 3)
    assert head_labels({"first_token": unmeasured}) == {}


def test_rules_ask_for_what_is_stored() -> None:
    methods = {name for name, entry in METHODS.items() if "layer" in entry.axes and "position" not in entry.axes}
    assert {bound.statistic for rule in RULES for bound in rule.bounds} <= {*HEAD_STATS, *methods}


def test_a_head_at_the_threshold_is_rarely_called_one() -> None:
    """Its true mean is the threshold, so a label is a false alarm: one in forty, one tail of the interval."""
    values = np.random.default_rng(0).normal(0.5, 0.2, (30, 4000))
    item = Average(
        np.full((1, 4000), 30), values.mean(0)[None], values.std(0, ddof=1)[None], stats.skew(values, 0)[None]
    )
    assert len(head_labels({"previous_token": item})) / 4000 == pytest.approx(0.025, abs=0.008)
