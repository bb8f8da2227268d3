"""How far two columns go together: Pearson's and Spearman's coefficients with their 95 % intervals, numpy only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.intervals import Z

Floats = NDArray[np.float64]
FEWEST = 4
"""Fisher's interval divides by n - 3."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """A coefficient, -1 to 1, over `n` pairs with its 95 % interval; NaN where it is not defined."""

    value: float
    low: float
    high: float
    n: int


def pearson(x: Floats, y: Floats) -> Correlation:
    """Of the pairs `[pair]` both of whose numbers are finite. NaN below two pairs and where one column has one value.
    The interval is Fisher's: the inverse hyperbolic tangent of r has variance 1 / (n - 3)."""
    x, y = _both(x, y)
    r = _coefficient(x, y)
    return Correlation(r, *_interval(r, len(x), 1.0), len(x))


def spearman(x: Floats, y: Floats) -> Correlation:
    """Pearson's coefficient of the ranks, equal values sharing the mean of theirs. The interval has the variance of
    Bonett and Wright (2000), (1 + r^2 / 2) / (n - 3)."""
    x, y = _both(x, y)
    r = _coefficient(ranks(x), ranks(y))
    return Correlation(r, *_interval(r, len(x), 1 + r * r / 2), len(x))


def ranks(values: Floats) -> Floats:
    """From 1; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count).astype(np.float64)
    return np.asarray((last - (count - 1) / 2)[place], dtype=np.float64)


def _both(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def _coefficient(x: Floats, y: Floats) -> float:
    if len(x) < 2 or x.min() == x.max() or y.min() == y.max():
        return math.nan
    a, b = (values / np.abs(values).max() for values in (x - x.mean(), y - y.mean()))  # squares then do not overflow
    return float(np.clip(a @ b / math.sqrt((a @ a) * (b @ b)), -1, 1))


def _interval(r: float, n: int, variance: float) -> tuple[float, float]:
    if n < FEWEST or math.isnan(r):
        return math.nan, math.nan
    if abs(r) == 1:
        return r, r
    half = Z * math.sqrt(variance / (n - 3))
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)
