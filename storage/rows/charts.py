"""A column of runs against another or by group, summed up by the database."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.storage.rows.behaviour import Float64

CHART_COLUMNS = (
    "n_tokens", "mean_surprisal", "perplexity", "next_token_prob", "next_entropy", "target_rank", "target_logprob",
    "margin", "seconds",
)  # fmt: skip
"""The numbers that every run may have."""
WHOLE = ("n_tokens", "target_rank")
"""Those of them that are whole numbers."""
CHART_SPLITS = ("", "model", "prompt_set", "experiment", "status", "group_name", "tags")
"""What runs may be set apart by: nothing, or a column; a run with several tags is in each."""


@dataclass(frozen=True, slots=True)
class Split:
    """Runs set apart: by their `value`, None for those without one; or all beyond the most frequent, of `others` many
    values."""

    value: str | None
    others: int = 0


@dataclass(frozen=True, slots=True)
class Spread:
    """One column over the runs of a split: `n` have it, `unmeasured` do not (NULL, or no finite number).

    sd: of the sample (n - 1). skewness: m3 / m2^1.5, NaN where all values are alike. q1, median, q3: interpolated
    between neighbours. low, high: the outermost values within 1.5 times the quartiles' distance from them (Tukey);
    `outside`: how many lie beyond. NaN where nothing is measured.
    """

    split: Split
    n: int
    unmeasured: int
    mean: float
    sd: float
    skewness: float
    least: float
    q1: float
    median: float
    q3: float
    most: float
    low: float
    high: float
    outside: int


@dataclass(frozen=True, slots=True)
class Bins:
    """Runs of every split by value: counts int64 `[split, bin]`; edges float64 `[bin + 1]`, a bin holds its left edge,
    the last one both. left_out `[split]`: measured, but not above 0, which no logarithmic axis has."""

    splits: tuple[Split, ...]
    edges: Float64
    counts: NDArray[np.int64]
    left_out: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Steps:
    """The share of a split's measured runs with at most a value, float64 `[step]` both: exact at every value here;
    values between are left out where there are many. The first is the least value with the share below it, 0."""

    split: Split
    n: int
    values: Float64
    shares: Float64


@dataclass(frozen=True, slots=True)
class ColumnPairs:
    """Two columns of runs that have both, or of a fixed random sample of them: run_ids, x, y and split (an index into
    `splits`), all `[run]`. n, unmeasured `[split]`: all runs with both, and those without one of them."""

    splits: tuple[Split, ...]
    run_ids: tuple[str, ...]
    split: NDArray[np.int64]
    x: Float64
    y: Float64
    n: NDArray[np.int64]
    unmeasured: NDArray[np.int64]
