"""What was measured of every head, over many runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeadMeans:
    """One statistic of every head over the runs in which it has a value: float64 `[layer, head]`, NaN where in none.

    statistic: of `HEAD_STATS`, or a method whose scores are over heads (`co_ablation` with backups counted,
    `co_ablation_alone` each head alone). quantity, params: what the method explained and how it was set; "" of
    attention.
    n: int64, runs. mean_size: of absolute values. sd: divided by n - 1, NaN for one run. skewness: m3 / m2^1.5, NaN
    where values differ by less than rounding leaves of it. least, largest: of any run.
    """

    model: str
    statistic: str
    quantity: str
    params: str
    n: NDArray[np.int64]
    mean: Float64
    mean_size: Float64
    sd: Float64
    skewness: Float64
    least: Float64
    largest: Float64


@dataclass(frozen=True, slots=True)
class HeadStats:
    """Every statistic of every head over runs. read, total: where the arrays of too many runs would have to be read,
    how many were, the newest, and of how many (of very many runs those without measured heads are counted in it, too);
    0 both where the means are over all of them."""

    means: tuple[HeadMeans, ...]
    read: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class HeadRuns:
    """One head of one model run by run, all or a fixed random sample of the `total` (of very many runs those without
    measured heads are counted in it, too): numbers by (statistic, quantity,
    params) as in `HeadMeans`, float64 `[run]`, NaN where unmeasured. pair: what runs of one pair of a prompt set share,
    and runs of one prompt."""

    run_id: tuple[str, ...]
    text: tuple[str, ...]
    pair: tuple[str, ...]
    values: Mapping[tuple[str, str, str], Float64]
    total: int
