"""What single heads do by each method, and how far two rankings of heads agree. Numbers only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.registry import METHODS, Entry
from headscope.analysis.statistics.intervals import FEWEST, Z
from headscope.analysis.types import Attribution, Float32, HeadSummary
from headscope.dashboard.head_stats import head_stats

Floats = NDArray[np.float64]
Pairs = Mapping[str, tuple["Correlation", ...]]


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rank correlation with its 95 % interval (Bonett and Wright 2000), over n pairs; NaN when one side is
    constant or there are too few."""

    rho: float
    low: float
    high: float
    n: int


def spearman(first: NDArray[np.floating], second: NDArray[np.floating]) -> Correlation:
    """Spearman's rho of two arrays of one shape, ties at their mean rank; pairs with a NaN are left out."""
    a, b = np.asarray(first, dtype=np.float64).ravel(), np.asarray(second, dtype=np.float64).ravel()
    both = np.isfinite(a) & np.isfinite(b)
    n = int(both.sum())
    ranks_a, ranks_b = _ranks(a[both]), _ranks(b[both])
    spread = float(ranks_a.std() * ranks_b.std()) if n else 0.0
    if n < FEWEST or spread == 0:
        return Correlation(math.nan, math.nan, math.nan, n)
    rho = float(((ranks_a - ranks_a.mean()) * (ranks_b - ranks_b.mean())).mean() / spread)
    rho = min(1.0, max(-1.0, rho))
    if abs(rho) > 1 - 1e-12:
        return Correlation(rho, rho, rho, n)
    half = Z * math.sqrt((1 + rho * rho / 2) / (n - 3))
    return Correlation(rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half), n)


def _ranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    middle: Floats = (ends - (count - 1) / 2)[place]
    return middle


_WHOLE: Mapping[tuple[str, ...], Callable[[Float32], Float32]] = {
    ("layer", "head"): lambda scores: scores,
    ("condition", "layer", "head"): lambda scores: scores[..., 0, :, :],
    ("layer", "component"): lambda scores: scores[..., :-1],
}


def by_head(item: Attribution) -> Float32 | None:
    """What every head does by one method, float32 `[layer, head]`, of a continuation `[target, layer, head]`; None of a
    method that does not say. Of relevance what flows through each head; of several conditions the first (beside other
    heads' ablation); of components the heads; of signed scores of head and token (unsigned ones are where a
    head looks) the sum over tokens."""
    if item.error is not None:
        return None
    axes = tuple(axis for axis in item.axes if axis != "target_position")
    whole = item.head_scores if item.head_scores is not None else _WHOLE.get(axes, lambda _: None)(item.scores)
    if whole is not None:
        return whole
    if axes != ("layer", "head", "position") or not item.signed:
        return None
    known = np.isfinite(item.scores)
    summed: Float32 = np.where(known.any(-1), np.where(known, item.scores, 0).sum(-1), np.nan).astype(np.float32)
    return summed


def says_what_heads_do(entry: Entry) -> bool:
    """Whether `by_head` has an answer of such a method; attention alone is where a head looks."""
    return entry.axes in _WHOLE or (entry.axes == ("layer", "head", "position") and entry.needs.gradients)


def methods_of_heads() -> tuple[str, ...]:
    """The methods that give one number for every head, without a token."""
    return tuple(name for name, entry in METHODS.items() if says_what_heads_do(entry) and "position" not in entry.axes)


def looks_of(effect: Float32, heads: HeadSummary | None) -> Mapping[str, tuple[tuple[Correlation, Correlation], ...]]:
    """For every head statistic, one pair per explained token: how far its ranking of heads is that of the effects'
    size, and of the effects themselves. effect `[layer, head]` or `[target, layer, head]`."""
    rows, stats = _by_target(effect), head_stats(heads) if heads is not None else {}
    return {
        name: tuple((spearman(stat.values, np.abs(row)), spearman(stat.values, row)) for row in rows)
        for name, stat in stats.items()
        if stat.values.shape == rows.shape[1:]
    }


def agreements(effects: Mapping[str, tuple[Float32, bool]]) -> Mapping[str, Pairs]:
    """For every method, how far each other one ranks the heads as it does, one number per explained token.

    effects: by method what `by_head` gives and whether it is signed; with an unsigned one sizes are compared.
    """
    found: dict[str, dict[str, tuple[Correlation, ...]]] = {name: {} for name in effects}
    names: Sequence[str] = list(effects)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            (a, a_signed), (b, b_signed) = effects[one], effects[other]
            if a.shape != b.shape:
                continue
            rows = zip(_by_target(a), _by_target(b), strict=True)
            both = tuple(spearman(*(row if a_signed and b_signed else map(np.abs, row))) for row in rows)
            found[one][other] = found[other][one] = both
    return found


def _by_target(effect: Float32) -> Float32:
    return effect if effect.ndim == 3 else effect[None]
