"""The heads of two models beside each other, head by head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.intervals import mover
from headscope.dashboard.pages.heads.query import Heads
from headscope.dashboard.pages.heads.rows import ends
from headscope.storage.rows import HeadMeans

Floats = NDArray[np.float64]
COLUMNS = ("first_model", "second_model", "statistic", "quantity", "params", "layer", "head", "first_n", "first_mean",
           "second_n", "second_mean", "difference", "low", "high")  # fmt: skip
APART = (
    "Differences with 95 % intervals from those of both means (Zou and Donner 2008), as of independent runs; the same "
    "prompts on both models make them too wide, and the largest of many is partly chance."
)


@dataclass(frozen=True, slots=True)
class Difference:
    """The statistic of two models with as many heads, the first minus the second, with the interval of every head."""

    first: Heads
    second: Heads
    one: HeadMeans
    other: HeadMeans
    gap: Floats
    low: Floats
    high: Floats


def difference(found: Sequence[Heads], statistic: str) -> Difference | None:
    """Head by head between the first two of these models with as many heads; None where there are no two."""
    pairs = [(a, b) for i, a in enumerate(found) for b in found[i + 1 :] if _alike(a, b, statistic)]
    if not pairs:
        return None
    a, b = pairs[0]
    one, other = a.stats[statistic], b.stats[statistic]
    low, high = mover(one.mean, ends(one), other.mean, ends(other))
    return Difference(a, b, one, other, one.mean - other.mean, low, high)


def of_difference(apart: Difference) -> Iterator[dict[str, Any]]:
    """A row for every head of two models."""
    one, other = apart.one, apart.other
    for cell in np.ndindex(one.mean.shape):
        values = (apart.first.model, apart.second.model, one.statistic, one.quantity, one.params, *cell,
                  int(one.n[cell]), float(one.mean[cell]), int(other.n[cell]), float(other.mean[cell]),
                  float(apart.gap[cell]), float(apart.low[cell]), float(apart.high[cell]))  # fmt: skip
        yield dict(zip(COLUMNS, values, strict=True))


def _alike(a: Heads, b: Heads, statistic: str) -> bool:
    """As many heads, and the same measured of them."""
    one, other = a.stats[statistic], b.stats[statistic]
    same = (one.quantity, one.params) == (other.quantity, other.params)
    return same and one.mean.shape == other.mean.shape
