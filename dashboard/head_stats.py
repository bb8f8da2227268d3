"""The statistics of attention heads with their names and units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import HEAD_STATS, HeadSummary

STATS: dict[str, tuple[str, str, str]] = {
    "entropy": ("Entropy", "nats", "How widely a query spreads its attention, mean over queries."),
    "entropy_normalised": ("Rel. entropy", "", "Entropy over the log of the number of keys in sight: 1 is uniform."),
    "mean_distance": ("Distance", "tokens", "How far back a query looks, weighted by attention."),
    "previous_token": ("Previous", "", "Mean weight on the token just before, from the third token on."),
    "first_token": ("First", "", "Mean weight on the first token, the attention sink."),
    "self_attention": ("Self", "", "Mean weight on the query's own position."),
    "duplicate_token": ("Duplicate", "", "Mean weight on earlier occurrences of the same token."),
    "induction": ("Induction", "", "Mean weight on what followed earlier occurrences of the same token."),
    "max_weight": ("Largest", "", "Mean over queries of the largest weight."),
    "induction_lift": (
        "Induction lift",
        "x",
        "Induction over what uniform attention gives the same keys: 1 is chance.",
    ),
    "missing_mass": (
        "Missing",
        "",
        "Mean weight on no token (a learned sink). Entropies and distance are over the rest.",
    ),
}
"""Label, unit and meaning of every statistic of `HeadSummary`."""
ROUNDING = 0.01


@dataclass(frozen=True, slots=True)
class HeadStat:
    """One statistic of every head: float32 `[layer, head]`, NaN where it is not defined."""

    label: str
    unit: str
    description: str
    values: NDArray[np.float32]


def head_stats(heads: HeadSummary) -> dict[str, HeadStat]:
    """The statistics in the order of `HEAD_STATS`; one that is defined for no head (no token repeats) is left out, and
    the missing mass where nothing is missing."""
    found = {name: HeadStat(*STATS[name], getattr(heads, name)) for name in HEAD_STATS}
    if not misses(heads):
        del found["missing_mass"]
    return {name: stat for name, stat in found.items() if np.isfinite(stat.values).any()}


def misses(heads: HeadSummary) -> bool:
    """Whether the weights of some head lack more to 1 than rounding (of half precision) takes."""
    return bool((heads.missing_mass > ROUNDING).any())
