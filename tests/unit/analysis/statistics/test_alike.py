"""Shares whose resamples are all the same: their intervals have width, by hand from Wilson's."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from headscope.analysis.statistics.effects import of_shares, paired_effect
from headscope.analysis.statistics.intervals import bootstrap_means, bootstrap_share, wilson
from headscope.analysis.statistics.regression import compare
from headscope.analysis.statistics.series import Sample, paired, unpaired
from tests.unit.analysis.statistics.test_regression import prompts

U = wilson(0, 8)[1]  # .324
APART = (1 - math.hypot(U, U), 1.0)


def sample(value: float, n: int = 8, prefix: str = "") -> Sample:
    names = [f"{prefix}{i}" for i in range(n)]
    return Sample(np.full(n, value), names, names)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [(1.0, 0.0, *APART), (0.0, 1.0, -1.0, -APART[0]), (1.0, 1.0, -U, U), (0.0, 0.0, -U, U)],
)
def test_series_that_differ_alike_everywhere(one: float, other: float, low: float, high: float) -> None:
    found = paired(sample(one), sample(other))
    assert (found.mean, found.low, found.high) == (one - other, pytest.approx(low), pytest.approx(high))
    groups = unpaired(sample(one), sample(other, prefix="b"))
    assert (groups.mean, groups.low, groups.high) == (one - other, pytest.approx(low), pytest.approx(high))


def test_amounts_and_mixed_shares_keep_the_bootstrap() -> None:
    assert paired(sample(0.5), sample(0.25)).low == 0.25  # no yes or no: nothing says how far the next would be
    values = np.array([1.0, 1, 1, 1, 0, 0, 1, 1])
    mixed = Sample(values, sample(1.0).keys, sample(1.0).clusters)
    found, plain = paired(mixed, sample(0.0)), paired_effect(values)
    assert (found.low, found.high) == (plain.low, plain.high)
    assert of_shares(plain, values) == plain


def test_what_was_not_measured_is_not_counted_as_unchanged() -> None:
    plain = paired_effect(np.ones(8))
    with_gaps = np.array([1.0, np.nan] * 8)
    assert of_shares(plain, with_gaps) == of_shares(plain, np.ones(8))


def test_clusters_count_once_and_few_have_no_interval() -> None:
    clusters = [str(i // 4) for i in range(24)]
    six = Sample(np.ones(24), sample(1.0, 24).keys, clusters)
    found = paired(six, replace(six, values=np.zeros(24)))
    u = wilson(0, 6)[1]
    assert (found.low, found.clusters) == (pytest.approx(1 - math.hypot(u, u)), 6)
    assert math.isnan(paired(sample(1.0, 4), sample(0.0, 4)).low)


@pytest.mark.parametrize(("difference", "share"), [(2.0, 1.0), (-0.5, 0.0), (0.0, 0.5)])
def test_a_share_of_pairs_on_one_side_has_width(difference: float, share: float) -> None:
    found = paired_effect(np.full(8, difference))
    assert found.positive == share
    assert (found.positive_low, found.positive_high) == pytest.approx(wilson(8 * share, 8))
    assert (found.low, found.high) == (difference, difference)


def test_a_share_of_all_or_none_is_wilsons_over_the_groups() -> None:
    groups = ["a", "a", "b", "c", "d", "e", "e", "e"]
    assert bootstrap_share(np.ones(8), groups) == pytest.approx((1.0, *wilson(5, 5)))
    assert bootstrap_share(np.array([0.0] * 7 + [np.nan])) == pytest.approx((0.0, *wilson(0, 7)))
    some = np.array([1.0, 0, 1, 1, 0, 1, 1, 1])
    means = bootstrap_means(some, groups, within=(0.0, 1.0))
    assert bootstrap_share(some, groups) == (0.75, float(means.low), float(means.high))


def test_an_accuracy_that_no_prompt_changed_is_not_known_to_be_equal() -> None:
    runs = prompts(40)
    (row,) = [row for row in compare(runs, runs).changes if row.name == "accuracy"]
    u = wilson(0, 40)[1]
    assert (row.effect.mean, row.effect.low, row.effect.high) == (0.0, pytest.approx(-u), pytest.approx(u))
    assert row.effect.p == 1.0
