"""Jensen-Shannon divergence of two distributions of which only the most likely outcomes are known: what is certain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The divergence lies between `low` and `high`, bits (0 the same, 1 nothing in common); NaN when nothing is known.

    shared: probability, mean of both sides, of the outcomes known on both: what `low` and `high` do not differ about.
    """

    low: float
    high: float
    shared: float


def js_bounds(first: Mapping[Any, float], second: Mapping[Any, float]) -> Bounds:
    """Bounds from the probabilities of each side's top outcomes (Lin 1991, equal weights, base 2).

    Outcomes known on both sides count exactly; the rest of each side is one lump. `low`: both lumps as one outcome
    (merging outcomes never adds divergence: data processing inequality). `high`: the lumps share nothing.
    """
    if not first or not second:
        return Bounds(float("nan"), float("nan"), float("nan"))
    common = [key for key in first if key in second]
    p = np.array([first[key] for key in common], dtype=np.float64)
    q = np.array([second[key] for key in common], dtype=np.float64)
    rest_p, rest_q = (max(0.0, 1.0 - float(side.sum())) for side in (p, q))
    known = float(_terms(p, q).sum())
    low = known + float(_terms(np.array([rest_p]), np.array([rest_q]))[0])
    high = known + (rest_p + rest_q) / 2
    return Bounds(_unit(low), _unit(max(low, high)), float((p.sum() + q.sum()) / 2))


def _terms(p: Floats, q: Floats) -> Floats:
    """What each outcome adds, bits; 0 log 0 is 0."""
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(side > 0, side * np.log2(side / middle), 0.0) for side in (p, q)]
    total: Floats = (parts[0] + parts[1]) / 2
    return total


def _unit(value: float) -> float:
    """Rounding may leave [0, 1] by an epsilon."""
    return min(1.0, max(0.0, value))
