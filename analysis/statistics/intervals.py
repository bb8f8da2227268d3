"""Means and shares with their 95 % intervals. Too few observations have no interval (NaN), not a guess."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 1000
FEWEST = 5
"""Fewer prompts than this are shown without an interval: their resamples repeat the same few numbers."""
PERCENTILES = (2.5, 97.5)
ANYWHERE = (-math.inf, math.inf)
Within = tuple[float | Floats, float | Floats]
"""What means of a kind lie between, or of each column."""
SHARES, UPWARDS = (0.0, 1.0), (0.0, math.inf)
Z = 1.959963984540054  # of the normal distribution, both tails 5 %
LEAST_SKEW = 1e-6
"""Skewness over sqrt(n) that moves no end of an interval by as much as rounding does."""

LEAST_VARIANCE = 1e-8
"""Of a mean square: of values that differ by less, rounding takes more than a thousandth of the skewness."""


@dataclass(frozen=True, slots=True)
class Means:
    """mean, low, high: float64 of the shape asked about; n: how many values each mean is over."""

    mean: Floats
    low: Floats
    high: Floats
    n: NDArray[np.int64]


def bootstrap_means(
    values: Floats,
    groups: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    within: Within = ANYWHERE,
) -> Means:
    """Means over the first axis with 95 % intervals; `values` `[observation, ...]`, NaN left out.

    groups: which observations belong together (one prompt on several models): whole groups are drawn, because a prompt
    measured twice does not count twice. The same input gives the same interval. within: between which values means of
    this kind lie.

    An end is the further one of two, and no further than `within`: the percentile bootstrap's (`expanded`), and that of
    `of_moments` over the groups. The bootstrap alone holds the truth in 92 to 95 % of simulated cases with 5 to 100
    groups for normal and heavy-tailed values, 86 to 94 % for exponential ones, and of an effect that one prompt in ten
    has in 90 % with 40 groups, 71 % with 12. Both together hold it, with 10 to 100 groups, in 94 to 97 % of all these
    but the last (with five in 91 to 97 %), of that in 98 to 99 % from 40 on. The price of skewed values is width: of
    five exponential ones a median 1.7 times the bootstrap's.
    """
    shape = np.shape(values)[1:]
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), math.prod(shape))
    known = np.isfinite(flat)
    sums, counts = np.where(known, flat, 0.0), known.astype(np.float64)
    if groups is not None:
        index = {group: i for i, group in enumerate(dict.fromkeys(groups))}
        member = np.fromiter((index[group] for group in groups), dtype=np.int64, count=len(flat))
        sums, counts = (_added(item, member, len(index)) for item in (sums, counts))
    found = bootstrap_sums(sums, counts, draws=draws, seed=seed, within=within)
    mean, low, high = (part.reshape(shape) for part in (found.mean, found.low, found.high))
    return Means(mean, low, high, found.n.reshape(shape))


def bootstrap_sums(
    sums: Floats, counts: Floats, *, draws: int = DRAWS, seed: int = 0, within: Within = ANYWHERE
) -> Means:
    """`bootstrap_means` from sums and counts `[group, column]`: whole groups are drawn."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums.sum(0) / counts.sum(0)
    (low, high), ends = _percentiles(sums, counts, draws, seed), _of_groups(sums, counts, mean)
    low, high = _cut(np.minimum(low, ends[0]), np.maximum(high, ends[1]), within)
    return Means(mean, low, high, counts.sum(0).astype(np.int64))


def bootstrap_share(yes: Floats, groups: Sequence[Hashable] | None = None) -> tuple[float, float, float]:
    """Share of ones among 0 and 1 (`[observation]`, NaN left out) with `bootstrap_means`' interval; where all are alike
    that has no width, and Wilson's over the groups is given."""
    found = bootstrap_means(yes, groups, within=SHARES)
    share, low, high = float(found.mean), float(found.low), float(found.high)
    if share in (0.0, 1.0):
        known = np.isfinite(yes)
        count = int(found.n) if groups is None else len(set(compress(groups, known)))
        low, high = wilson(share * count, count)
    return share, low, high


def of_moments(
    n: NDArray[np.int64], mean: Floats, sd: Floats, skewness: Floats, *, within: Within = ANYWHERE
) -> tuple[Floats, Floats]:
    """Intervals of means of which only n, mean, standard deviation (n - 1) and skewness (m3 / m2^1.5) are kept; NaN
    below `FEWEST`. At either end the further one of Student's t interval, which misses too often where values are
    skewed, and Hall's, which misses too often where few and far values make the skewness (Hall 1992, "On the removal of
    skewness by transformation"; Student's quantile in place of the normal one). No skewness (NaN): Student's alone.

    Simulated with 10 to 300 observations 94 to 97 % hold the truth for normal, uniform, exponential, skewed and
    heavy-tailed values. Of an effect that one prompt in ten has 95 to 99 % from 30 on; a smaller sample may hold none.

    Of independent observations: prompts that come in pairs or on several settings count as if each were new. Where
    single values are at hand, `bootstrap_means` can draw them together.

    within: between which values means of this kind lie: no interval reaches further.
    """
    from scipy import special

    count = np.where(n >= FEWEST, n, np.nan).astype(np.float64)
    error, quantile = sd / np.sqrt(count), special.stdtrit(count - 1, PERCENTILES[1] / 100)
    skew = np.nan_to_num(skewness) / np.sqrt(count)
    low, high = (mean - error * _skewed(end, skew) for end in (quantile, -quantile))
    half = error * quantile
    return _cut(np.minimum(low, mean - half), np.maximum(high, mean + half), within)


def of_values(values: Floats) -> tuple[float, float]:
    """`of_moments` of single values `[n]`; NaN where one is not finite."""
    if len(values) < FEWEST or not np.isfinite(values).all():
        return math.nan, math.nan
    sd, skewness = values.std(ddof=1), np.mean((values - values.mean()) ** 3)
    skewness = skewness / values.std() ** 3 if sd else np.nan
    low, high = of_moments(*(np.asarray(item) for item in (len(values), values.mean(), sd, skewness)))
    return float(low), float(high)


def moments(n: NDArray[np.int64], totals: Floats, squares: Floats, cubes: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, standard deviation (n - 1) and skewness as `of_moments` takes them, from sums of values, of their squares
    and of their cubes; NaN where there are none, no skewness where values differ by as little as rounding does."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, square, cube = totals / n, squares / n, cubes / n
        spread = np.sqrt(np.maximum(squares - totals * mean, 0) / np.where(n > 1, n - 1, np.nan))
        variance = square - mean**2
        differ = variance > LEAST_VARIANCE * square
        third = (cube - 3 * mean * square + 2 * mean**3) / np.where(differ, variance, 1) ** 1.5
    return mean, spread, np.where(differ, third, np.nan)


def _cut(low: Floats, high: Floats, within: Within) -> tuple[Floats, Floats]:
    return np.maximum(low, within[0]), np.minimum(high, within[1])


def _skewed(normal: Floats, skew: Floats) -> Floats:
    """The studentised mean that Hall's cubic takes to a normal quantile; `skew`: skewness / sqrt(n)."""
    steep = np.where(np.abs(skew) < LEAST_SKEW, 1.0, skew)
    found = 3 / steep * (np.cbrt(1 + steep * (normal - steep / 6)) - 1)
    return np.where(np.abs(skew) < LEAST_SKEW, normal, found)


def mover(
    first: Floats, ends: tuple[Floats, Floats], second: Floats, others: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Intervals of `first - second`, independent of each other, from the intervals of both: distances squared and added
    (the method of variance estimates recovery, Zou and Donner 2008)."""
    gap = first - second
    return (
        gap - np.hypot(first - ends[0], others[1] - second),
        gap + np.hypot(ends[1] - first, second - others[0]),
    )


def expanded(n: int) -> tuple[float, float]:
    """Percentiles of resampled statistics that make a 95 % interval of `n` (2 or more) resampled observations: further
    out than 2.5 and 97.5 as Student's distribution is wider than the normal one (Hesterberg 2015). Stretched deviations
    (`resampling.widened`) do not serve here, as they leave where the statistic can be: a share below 0, a rank between
    two ranks."""
    from scipy import special

    low = float(100 * special.ndtr(-math.sqrt(n / (n - 1)) * special.stdtrit(n - 1, PERCENTILES[1] / 100)))
    return low, 100 - low


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Wilson's score interval of a share; NaN for n = 0. Honest at 0 and n, where the usual one has no width. A tie is
    half a success; `n` is no whole number where prompts hang together and are worth fewer."""
    if n == 0:
        return float("nan"), float("nan")
    share, spread = successes / n, Z * Z / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def newcombe(
    first: tuple[float, float, float], second: tuple[float, float, float], link: float = 0.0
) -> tuple[float, float]:
    """Interval of one share minus another, from those of both: each share, low, high (Newcombe 1998, method 10: square
    and add). link: their correlation; 0 takes them as independent, which is careful where they are pairs that go the
    same way."""
    (one, one_low, one_high), (two, two_low, two_high) = first, second

    def added(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * link * a * b + b * b))

    low, high = added(one - one_low, two_high - two), added(one_high - one, two - two_low)
    return max(-1.0, one - two - low), min(1.0, one - two + high)


def _added(values: Floats, member: NDArray[np.int64], count: int) -> Floats:
    added = np.zeros((count, values.shape[1]))
    np.add.at(added, member, values)
    return added


def _of_groups(sums: Floats, counts: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """`of_moments` of what each group adds to the mean, linearised."""
    groups = (counts > 0).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = (sums - mean * counts) * groups / counts.sum(0)
        square = (apart**2).sum(0)
        skewness = (apart**3).sum(0) / groups / (square / groups) ** 1.5
        return of_moments(groups, mean, np.sqrt(square / (groups - 1)), skewness)


def _percentiles(sums: Floats, counts: Floats, draws: int, seed: int) -> tuple[Floats, Floats]:
    """Percentiles of the resampled means, NaN for columns that fewer than `FEWEST` groups measured."""
    size, columns = sums.shape
    enough = (counts > 0).sum(0) >= FEWEST
    low, high = np.full(columns, np.nan), np.full(columns, np.nan)
    if not enough.any():
        return low, high
    weights = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=draws).astype(np.float64)
    groups = (counts > 0).sum(0)
    for n in np.unique(groups[enough]).tolist():
        mine = enough & (groups == n)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (weights @ sums[:, mine]) / (weights @ counts[:, mine])
        low[mine], high[mine] = np.nanpercentile(means, expanded(n), axis=0)
    return low, high
