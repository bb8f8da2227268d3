"""How sure models were, over many runs: distributions, right answers, and the layer where an answer locks in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.intervals import ANYWHERE, Within, bootstrap_means

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """median, quartiles and the mean with its 95 % interval of the n measured values."""

    median: float
    lower: float
    upper: float
    mean: float
    low: float
    high: float
    n: int


def spread(values: Floats, within: Within = ANYWHERE) -> Spread:
    """Summary of `values` `[run]`, which lie `within`; NaN left out, all NaN when nothing was measured."""
    known = values[np.isfinite(values)]
    if not len(known):
        nan = float("nan")
        return Spread(nan, nan, nan, nan, nan, nan, 0)
    lower, median, upper = np.percentile(known, (25, 50, 75))
    means = bootstrap_means(known, within=within)
    return Spread(
        float(median), float(lower), float(upper), float(means.mean), float(means.low), float(means.high), len(known)
    )


def answered_right(target_rank: Floats) -> Floats:
    """1 where the target was the most likely next token, 0 where it was not, NaN where there is no target."""
    return np.where(np.isfinite(target_rank), (target_rank == 1).astype(np.float64), np.nan)


def lens_instability(ranks: Floats) -> float:
    """The share of the later half of the layers after which the model's final top token is not on top under the logit
    lens: 0 for an answer that was settled half-way, NaN without layers. A sign after Halawi et al. 2023
    (arXiv:2307.09476), who read where in the layers answers turn.

    ranks: `[layer]`, of that token after every layer.
    """
    later = np.asarray(ranks)[len(ranks) // 2 :]
    return float((later != 1).mean()) if len(later) else float("nan")


def lock_in(ranks: Floats) -> int:
    """The first layer from which on the model's final top token is on top under the logit lens (0 = the first layer).

    ranks: `[layer]`, of that token after every layer. -1 when it is not on top even after the last one.
    """
    on_top = np.asarray(ranks) == 1
    if not len(on_top) or not on_top[-1]:
        return -1
    misses = np.flatnonzero(~on_top)
    return int(misses[-1]) + 1 if len(misses) else 0
