"""Paired effects: how large, how certain, and what is left of them when many are looked at.

A pair is one thing measured twice (the same sentence about two groups); an effect is about the differences.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.intervals import DRAWS, FEWEST, PERCENTILES

Floats = NDArray[np.float64]
EXACT = 12
"""Up to this many independent groups every sign is tried (4,096 ways); beyond it, `FLIPS` random ones."""
FLIPS = 9_999


@dataclass(frozen=True, slots=True)
class Effect:
    """mean: of the differences, in their unit, with its 95 % interval `low`, `high` (percentile bootstrap).

    size: mean / standard deviation of the differences (Cohen's d_z), with its interval `size_low`, `size_high`.
    p: two-sided, by flipping signs: how often chance alone gives a mean at least as far from 0. positive: share of
    pairs above 0. n: pairs; groups: how many independent groups they come from. What cannot be known is NaN.
    """

    mean: float
    low: float
    high: float
    size: float
    size_low: float
    size_high: float
    p: float
    positive: float
    n: int
    groups: int


def paired_effect(
    differences: Floats, groups: Sequence[Hashable] | None = None, *, draws: int = DRAWS, seed: int = 0
) -> Effect:
    """The effect behind `differences` `[pair]`; NaN left out. The same input gives the same output.

    groups: pairs made from one template belong together: whole groups are drawn and flipped, because a template filled
    in twenty ways is not twenty observations. Fewer than 5 groups have neither interval nor p.
    """
    values = np.asarray(differences, dtype=np.float64)
    known = np.isfinite(values)
    names = list(groups) if groups is not None else list(range(len(values)))
    kept = [name for name, keep in zip(names, known, strict=True) if keep]
    index = {name: i for i, name in enumerate(dict.fromkeys(kept))}
    member = np.fromiter((index[name] for name in kept), dtype=np.int64, count=len(kept))
    values = values[known]
    n, count = len(values), len(index)
    if n == 0:
        nan = float("nan")
        return Effect(nan, nan, nan, nan, nan, nan, nan, nan, 0, 0)
    parts = (np.ones(n), values, values**2)
    moments: Floats = np.stack([np.bincount(member, part, count).astype(np.float64) for part in parts], axis=1)
    mean, size = (float(item) for item in _mean_and_size(moments.sum(0)))
    bounds = np.full((2, 2), np.nan)
    p = float("nan")
    if count >= FEWEST:
        weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
        means, sizes = _mean_and_size(weights.astype(np.float64) @ moments)
        bounds[:, 0] = np.percentile(means, PERCENTILES)
        if np.isfinite(sizes).any():
            bounds[:, 1] = np.nanpercentile(sizes, PERCENTILES)
        p = _sign_flip_p(moments[:, 1], seed)
    (low, size_low), (high, size_high) = bounds.tolist()
    return Effect(mean, low, high, size, size_low, size_high, p, float((values > 0).mean()), n, count)


def adjusted(p_values: Sequence[float]) -> Floats:
    """Benjamini-Hochberg adjusted p-values of a whole table (1995): marking those under .05 keeps the expected share of
    false marks under 5 %. NaN stays NaN and counts for nothing."""
    values = np.asarray(p_values, dtype=np.float64)
    known = np.isfinite(values)
    from scipy import stats  # half a second, which every command would pay

    values[known] = stats.false_discovery_control(values[known]) if known.any() else values[known]
    return values


def _mean_and_size(moments: Floats) -> tuple[Floats, Floats]:
    """Mean and d_z from `[..., (count, sum, sum of squares)]`; equal differences have no d_z."""
    n, total, squares = np.moveaxis(np.asarray(moments, dtype=np.float64), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / n
        variance = (squares - total * mean) / (n - 1)
        usable = variance > 1e-12 * squares / n
        size = np.where(usable, mean / np.sqrt(np.where(usable, variance, 1.0)), np.nan)
    return mean, size


def _sign_flip_p(sums: Floats, seed: int) -> float:
    """Two-sided p of the summed differences when each group's sign is a coin (Fisher's randomisation test)."""
    count = len(sums)
    if count <= EXACT:
        signs = 1.0 - 2.0 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
        extra = 0
    else:
        signs = np.random.default_rng(seed + 1).choice((-1.0, 1.0), size=(FLIPS, count))
        extra = 1  # the order seen is one of the ways (Phipson and Smyth 2010)
    reached = np.abs(signs @ sums) >= abs(sums.sum()) * (1 - 1e-9)
    return float((reached.sum() + extra) / (len(signs) + extra))
