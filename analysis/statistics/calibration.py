"""How far stated probabilities are from what happens: reliability, expected calibration error, selective risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headscope.analysis.statistics.calibration_noise import held_errors, variances
from headscope.analysis.statistics.intervals import FEWEST, expanded, of_values, wilson

Floats = NDArray[np.float64]
BINS = 10
FEW_OF_A_KIND = 10
"""With fewer wrong answers than this, or fewer right ones, no interval of a gain is to be relied on."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """One row per bin that holds something, float64 `[bin]`: mean stated probability, share that was right with its
    95 % Wilson interval, and how many. error: expected calibration error, the mean distance of the two weighed by
    count (Guo et al. 2017, eq. 3; ten bins of equal count), with its 95 % interval `low`, `high`. n: answers."""

    stated: Floats
    observed: Floats
    observed_low: Floats
    observed_high: Floats
    counts: NDArray[np.int64]
    error: float
    low: float
    high: float
    n: int


def calibration_error(
    probabilities: ArrayLike, right: ArrayLike, *, bins: int = BINS, draws: int = 0, seed: int = 0
) -> Reliability:
    """Compare stated `probabilities` `[answer]` with what was `right` (0 or 1). NaN left out.

    Bins hold equally many answers, so that no bin is decided by two of them. draws: of the noise, for the interval of
    the error, 0 for none; fewer than 5 answers have none.

    The interval holds the errors under which the one seen is among the middle 95 %, as that of `calibration_beside`:
    down to 0 for a calibrated model, and at times all below the error seen, which noise makes too large. Simulated for
    60, 200 and 1,000 answers (400 times each) it holds the error of a calibrated model in 97 to 98 %, of models
    overconfident by a tenth or three or too sharp in 86 to 97 %; percentiles of resampled answers held 0 %, and 15 to
    96 % (200 times each). Answers count as independent.
    """
    stated = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(right, dtype=np.float64)
    known = np.isfinite(stated) & np.isfinite(truth)
    stated, truth = stated[known], truth[known]
    order = np.argsort(stated, kind="stable")
    stated, truth = stated[order], truth[order]
    if not len(stated):
        empty = np.empty(0)
        nan = float("nan")
        return Reliability(empty, empty, empty, empty, np.empty(0, dtype=np.int64), nan, nan, nan, 0)
    edges = np.unique(np.linspace(0, len(stated), min(bins, len(stated)) + 1).round().astype(int))
    counts = np.diff(edges)
    means = np.add.reduceat(stated, edges[:-1]) / counts
    shares = np.add.reduceat(truth, edges[:-1]) / counts
    bounds = [wilson(round(share * count), int(count)) for share, count in zip(shares, counts, strict=True)]
    low, high = _interval((means - shares) * counts, shares * counts, counts.astype(np.float64), draws, seed)
    return Reliability(
        means,
        shares,
        np.array([bound[0] for bound in bounds]),
        np.array([bound[1] for bound in bounds]),
        counts,
        float((np.abs(means - shares) * counts).sum() / counts.sum()),
        low,
        high,
        len(stated),
    )


def _interval(apart: Floats, right: Floats, counts: Floats, draws: int, seed: int) -> tuple[float, float]:
    """apart: stated minus right, added up; right: answers; counts: all of them; `[bin]`."""
    n = counts.sum()
    if draws == 0 or n < FEWEST:
        return float("nan"), float("nan")
    normal = np.random.default_rng(seed).standard_normal((draws, len(counts)))
    return held_errors(apart / n, normal * np.sqrt(variances(counts, right)) / n)


@dataclass(frozen=True, slots=True)
class SelectiveRisk:
    """Answering only where most confident (El-Yaniv and Wiener 2010). coverage, risk: float64 `[n]`, the share of
    prompts answered and the share of wrong answers among them, most confident first. area: the mean risk over all
    coverages (0 is perfect); random: what any order would give on average, the overall share of wrong answers. gain:
    random - area, with its 95 % interval over prompts `gain_low`, `gain_high` (NaN when not asked for): at either end
    the further one of the bootstrap's and of `of_moments` over jackknife pseudo-values. Simulated with 10 to 300
    prompts it holds the gain in 93 to 99 % of cases; where fewer than `FEW_OF_A_KIND` answers are wrong, or right, in
    40 to 95 %, as so few say little of the others."""

    coverage: Floats
    risk: Floats
    area: float
    random: float
    n: int
    gain_low: float
    gain_high: float

    @property
    def fewest(self) -> int:
        """How many answers are wrong, or how many right, whichever are fewer."""
        wrong = round(self.random * self.n) if self.n else 0
        return min(wrong, self.n - wrong)

    @property
    def gain(self) -> float:
        """By how much answering the surest first is better than answering in any order."""
        return self.random - self.area


def selective_risk(confidence: ArrayLike, right: ArrayLike, *, draws: int = 0, seed: int = 0) -> SelectiveRisk:
    """The risk-coverage curve; equally confident answers count together (the mean over their orders). draws: bootstrap
    resamples for the interval of the gain, 0 for none; fewer than 5 answers have none."""
    stated = np.asarray(confidence, dtype=np.float64)
    truth = np.asarray(right, dtype=np.float64)
    known = np.isfinite(stated) & np.isfinite(truth)
    stated, wrong = stated[known], 1.0 - truth[known]
    if not len(stated):
        nan = float("nan")
        return SelectiveRisk(np.empty(0), np.empty(0), nan, nan, 0, nan, nan)
    order = np.argsort(-stated, kind="stable")
    values, inverse = np.unique(-stated[order], return_inverse=True)
    expected = (np.bincount(inverse, wrong[order]) / np.bincount(inverse))[inverse] if len(values) else wrong
    counts = np.arange(1, len(stated) + 1)
    risk = np.cumsum(expected) / counts
    bounds = _gain_interval(expected, draws, seed)
    return SelectiveRisk(counts / len(stated), risk, float(risk.mean()), float(wrong.mean()), len(stated), *bounds)


def _gain_interval(wrong: Floats, draws: int, seed: int) -> tuple[float, float]:
    """Resamples of prompts in the order of their confidence: `wrong` `[n]`, the surest first."""
    n = len(wrong)
    if draws == 0 or n < FEWEST:
        return float("nan"), float("nan")
    generator, counts, gains = np.random.default_rng(seed), np.arange(1, n + 1), []
    for _ in range(draws):
        drawn = wrong[np.sort(generator.integers(0, n, n, dtype=np.int32))]
        gains.append(drawn.mean() - (np.cumsum(drawn) / counts).mean())
    low, high = np.percentile(gains, expanded(n))
    ends = of_values(_pseudo_values(wrong))
    return float(min(low, ends[0])), float(max(high, ends[1]))


def _pseudo_values(wrong: Floats) -> Floats:
    """What each prompt adds to the gain, by leaving it out: n times the gain minus n - 1 times that of the others
    (Tukey's jackknife). Without prompt i the risk of the first k is as before for k < i, then (first k + 1, less i)
    / k."""
    n, places = len(wrong), np.arange(1, len(wrong))
    sums = np.cumsum(wrong)
    before = np.concatenate([[0.0], np.cumsum(sums / np.arange(1, n + 1))])[:n]
    after, weight = (np.append(np.cumsum((top / places)[::-1])[::-1], 0.0) for top in (sums[1:], np.ones(n - 1)))
    area = (before + after - wrong * weight) / (n - 1)
    gain = wrong.mean() - (sums / np.arange(1, n + 1)).mean()
    found: Floats = n * gain - (n - 1) * ((sums[-1] - wrong) / (n - 1) - area)
    return found
