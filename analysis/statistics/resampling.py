"""Signs and draws of whole clusters, one way or two at once.

Pairs hang together by their wording, and again by the words that fill it: a name that the model likes is liked in
every sentence. Flipping or drawing wordings alone takes such a name for an effect: 22 to 46 % false alarms where 5 %
were allowed, simulated as in `tests/unit/analysis/statistics/test_two_ways.py` with 12 and 5 fillers. So both ways are
flipped (drawn) apart from each other, their deviations added, and the sum scaled to the variance of Cameron, Gelbach
and Miller (2011): that of wordings plus that of fillers minus that of their cells, never less than either. Then at most
3 % are false alarms and 3.3 to 5.1 % of intervals miss. The wider of both one-way intervals misses 6 to 12 %; Owen's
(2007) bootstrap of products misses 0.5 % where neither way matters, and finds next to nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.intervals import DRAWS, PERCENTILES, Z

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
EXACT = 12
"""Up to this many independent clusters every sign is tried (4,096 ways); beyond it, `FLIPS` random ones."""
FLIPS = 9_999
FEWEST_FILLERS = 8
"""Fewer fillers than this give no idea how fillers vary: the finding is then about these words."""
MOST = 512
"""More clusters are dealt into this many: flipping those together is one part of all flips, so the test stays exact."""


@dataclass(frozen=True, slots=True)
class Way:
    """Clusters of one kind. member: which one each pair is in, `[pair]`; count: how many; number: 0 or 1."""

    member: Ints
    count: int
    number: int

    def summed(self, parts: Floats) -> Floats:
        """`[part, pair]` added up within clusters: `[cluster, part]`."""
        return np.stack([np.bincount(self.member, part, self.count) for part in parts], axis=1).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Dealt:
    """Signs and weights, dealt once per number of clusters: the rows of a table are mostly of one shape."""

    draws: int = DRAWS
    seed: int = 0
    _kept: dict[tuple[str, int, int], Floats] = field(default_factory=dict)

    def weights(self, way: Way) -> Floats:
        """How often each cluster is drawn, `[draw, cluster]`."""
        key = ("weights", way.count, way.number)
        if key not in self._kept:
            share = np.full(way.count, 1 / way.count)
            drawn = np.random.default_rng([self.seed, way.number]).multinomial(way.count, share, size=self.draws)
            self._kept[key] = drawn.astype(np.float64)
        return self._kept[key]

    def signs(self, way: Way, *, every: bool) -> Floats:
        """A sign for each cluster, `[flip, cluster]`: every way there is, or `FLIPS` random ones."""
        key = ("every" if every else "signs", way.count, way.number)
        if key not in self._kept:
            if every:
                bits = np.arange(2**way.count)[:, None] >> np.arange(way.count) & 1
                made: Floats = (1 - 2 * bits).astype(np.float64)
            else:
                random = np.random.default_rng([self.seed + 1, way.number])
                made = random.choice((-1.0, 1.0), size=(FLIPS, way.count))
            self._kept[key] = made
        return self._kept[key]


def ways(wordings: Ints, fillers: Ints | None) -> list[Way]:
    """The kinds of clusters that count, from numbers `[pair]`. Fillers fewer than `FEWEST_FILLERS` are taken as given;
    of two kinds of which one lies within the other, the wider counts alone."""
    found = [_way(wordings, 0)]
    if fillers is not None and (way := _way(fillers, 1)).count >= FEWEST_FILLERS:
        cells = len(np.unique(found[0].member * way.count + way.member))
        both = [found[0], way]
        found = [min(both, key=lambda kind: kind.count)] if cells in (found[0].count, way.count) else both
    return [Way(kind.member % MOST, min(kind.count, MOST), kind.number) for kind in found]


def _way(codes: Ints, number: int) -> Way:
    names, member = np.unique(codes, return_inverse=True)
    return Way(member.reshape(-1).astype(np.int64), len(names), number)


def shrink(kinds: Sequence[Way], values: Floats) -> float:
    """What the sum of both ways' deviations is multiplied by, so that noise of pairs counts once; 1 for one way."""
    if len(kinds) == 1:
        return 1.0
    cells = _way(kinds[0].member * kinds[1].count + kinds[1].member, 2)
    one, two, cell = (float((np.bincount(way.member, values) ** 2).sum()) for way in (*kinds, cells))
    return float(np.sqrt(max(one, two, one + two - cell) / (one + two))) if one + two else 1.0


def flipped_p(kinds: Sequence[Way], values: Floats, dealt: Dealt) -> float:
    """Two-sided p of the mean of `values` `[pair]` when each cluster's sign is a coin (Fisher's randomisation test)."""
    every = len(kinds) == 1 and kinds[0].count <= EXACT
    parts = [dealt.signs(way, every=every) @ np.bincount(way.member, values, way.count) for way in kinds]
    moved = np.abs(np.sum(parts, axis=0)) * shrink(kinds, values)
    reached = int((moved >= abs(values.sum()) * (1 - 1e-9)).sum())
    extra = 0 if every else 1  # the order seen is one of the ways (Phipson and Smyth 2010)
    return (reached + extra) / (len(moved) + extra)


def widened(n: int) -> float:
    """What the percentiles of drawn deviations are multiplied by, as Student's t is wider than the normal distribution
    for few clusters (Hesterberg 2015). Percentiles further out (`intervals.expanded`) do not serve here, as with five
    clusters they are the outermost draws: simulated, they held the mean of normal values in 91 % instead of 94 %, and
    d's, which draws of nearly equal differences throw far out, were nine times as wide."""
    from scipy import special

    return float(special.stdtrit(n - 1, 0.975) / Z * np.sqrt(n / (n - 1)))


def drawn_bounds(kinds: Sequence[Way], parts: Floats, statistics: Callable[[Floats], Floats], dealt: Dealt) -> Floats:
    """95 % intervals `[2, statistic]` of `statistics` of summed `parts` `[part, pair]` (their number, values, ...):
    percentiles of the deviations of redrawn clusters, both ways' added and `widened`."""
    found = statistics(parts.sum(axis=1))
    moved = np.sum([statistics(dealt.weights(way) @ way.summed(parts)) - found for way in kinds], axis=0)
    wider = widened(min(way.count for way in kinds))
    bounds = np.full((2, len(found)), np.nan)
    known = np.isfinite(moved).any(axis=0)
    ends = np.nanpercentile(moved[:, known], PERCENTILES, axis=0)
    bounds[:, known] = found[known] + ends * wider * shrink(kinds, parts[1] - parts[1].mean())
    return bounds
