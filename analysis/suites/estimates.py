"""Scores with intervals: means by `statistics.intervals`, and any function of sums by the same bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from headscope.analysis.statistics.intervals import (
    DRAWS,
    FEWEST,
    SHARES,
    Within,
    bootstrap_means,
    expanded,
    of_values,
    wilson,
)
from headscope.analysis.suites.base import Floats, Score

CHUNK = 50  # draws at once, so that memory stays small for many thousand items


def mean_score(
    name: str,
    subset: str,
    values: Sequence[float],
    groups: Sequence[Hashable] | None = None,
    within: Within = SHARES,
) -> Score:
    """A mean of values that lie `within` (of 0 and 1 alone: a share). groups: items that belong together are drawn
    together. NaN is left out.

    Where every item is 0, or every one 1, all draws are the same, and the interval is Wilson's over the groups.
    """
    if not len(values):
        return missing(name, subset)
    found = bootstrap_means(np.asarray(values, dtype=np.float64), groups, within=within)
    mean, low, high = float(found.mean), float(found.low), float(found.high)
    if mean in (0.0, 1.0) and low == high:
        units = len(set(groups)) if groups is not None else int(found.n)
        low, high = wilson(int(mean) * units, units)
    return Score(name, subset, mean, low, high, int(found.n))


TIES = "ties"


def ties(tied: Sequence[bool], groups: Sequence[Hashable] | None = None) -> Score:
    """The share of items that were decided by no likelihood."""
    return mean_score(TIES, "all", [float(is_tied) for is_tied in tied], groups)


def missing(name: str, subset: str) -> Score:
    """A score that nothing was measured for."""
    nan = float("nan")
    return Score(name, subset, nan, nan, nan, 0)


def of_sums(
    name: str,
    subset: str,
    parts: Floats,
    statistic: Callable[[Floats], Floats],
    n: int,
    groups: Sequence[Hashable] | None = None,
    *,
    within: tuple[float, float],
) -> Score:
    """A score that is a function of sums over items, between the values `within`: a ratio, a product of ratios.

    parts: `[item, part]`; statistic: `[..., part]` sums to `[...]` values. An end of the interval is the further one of
    two: of the percentiles of the statistic over draws of items (or of whole groups of them) with replacement, and of
    `of_moments` over jackknife pseudo-values (Tukey), which leave out one each. Simulated with 5 to 100 groups, ratios,
    icat and correlations hold the truth in 93 to 97 % (the bootstrap alone in 89 to 96 %); where one group in eight has
    all of what is counted in 70 % at 10 groups, 96 to 98 % from 30 on. NaN for fewer than 5 groups, and where one alone
    makes the score possible; where all lie at one end of `within`, Wilson's, over those that have a score of their own.
    """
    if not len(parts):
        return missing(name, subset)
    units = parts
    if groups is not None:
        index = {group: i for i, group in enumerate(dict.fromkeys(groups))}
        units = np.zeros((len(index), parts.shape[1]))
        np.add.at(units, [index[group] for group in groups], parts)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(units.sum(0)))
        (low, high), ends = _interval(units, statistic), _of_pseudo_values(units, statistic, value)
        asked = int(np.isfinite(statistic(units)).sum())
    low, high = np.clip([np.minimum(low, ends[0]), np.maximum(high, ends[1])], *within).tolist()
    if low == high and value in within:
        least, most = within
        low, high = (least + (most - least) * end for end in wilson(asked if value == most else 0, asked))
    return Score(name, subset, value, low, high, n)


def _interval(units: Floats, statistic: Callable[[Floats], Floats]) -> tuple[float, float]:
    size = len(units)
    if size < FEWEST:
        return float("nan"), float("nan")
    random, even = np.random.default_rng(0), np.full(size, 1 / size)
    drawn = [statistic(random.multinomial(size, even, size=CHUNK) @ units) for _ in range(DRAWS // CHUNK)]
    values = np.concatenate(drawn)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, expanded(size))
    return float(low), float(high)


def _of_pseudo_values(units: Floats, statistic: Callable[[Floats], Floats], value: float) -> tuple[float, float]:
    """NaN where there is no statistic without one of the groups."""
    return of_values(len(units) * value - (len(units) - 1) * statistic(units.sum(0) - units))
