"""Calibration of two models on the same prompts, from sums that a database makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.calibration import BINS, Reliability
from headscope.analysis.statistics.calibration_noise import held_errors, variances
from headscope.analysis.statistics.intervals import DRAWS, FEWEST, PERCENTILES, wilson
from headscope.analysis.statistics.model_pairs import NAN, Beside, Estimate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Prompts by the bins that both models' stated probabilities fall into, bins of equally many prompts.

    All `[first model's bin, second's]`: n, prompts; stated, float64 `[model, bin, bin]`, their stated probabilities
    added up; right, int64 `[model, bin, bin]`, right answers; both, prompts that both models have right.
    """

    n: Ints
    stated: Floats
    right: Ints
    both: Ints


def edges_of(count: int, bins: int = BINS) -> list[int]:
    """How many of `count` prompts, least sure first, lie before each bin and the end: as `calibration_error` has it."""
    edges = np.unique(np.linspace(0, count, min(bins, count) + 1).round())
    return [int(edge) for edge in edges]


def reliability(found: Cells) -> tuple[Reliability, Reliability]:
    """Both models' curves and errors, with the intervals of `calibration_beside`."""
    both = calibration_beside(found)
    ends = (both.first, both.second)
    first, second = (_curve(found, side, end) for side, end in enumerate(ends))
    return first, second


def calibration_beside(found: Cells, *, draws: int = DRAWS, seed: int = 0) -> Beside:
    """Expected calibration errors (Guo et al. 2017, ten bins of equal count) and the second minus the first.

    An interval holds the errors under which the one seen is among the middle 95 %: noise alone makes an error above 0,
    so that of a calibrated model goes down to 0. Drawn are the right answers of bins, both models' together, normal
    with the variance of their shares (one right and one wrong answer added, Agresti and Coull 1998), around gaps that
    are the seen ones times a factor. The difference's goes from where the seen one would be too high if the second had
    the least error of its interval and the first the most, to where it would be too low the other way round: noise adds
    to small errors and not to large ones, so both ends matter. Prompts count as independent. Fewer than 5 have no
    interval. Simulated for 60 to 1,000 prompts (400 times each; models calibrated, overconfident by a tenth or three,
    or too sharp; right answers apart or linked), the intervals hold the error of a calibrated model in 97 to 99 %, of
    others in 87 to 95 %, and the difference in 92 to 99 %, where square-and-add (Zou and Donner 2008) held 83 %.
    """
    total = int(found.n.sum())
    if not total:
        return Beside(0, 0, Estimate(NAN), Estimate(NAN), Estimate(NAN))
    gaps = _gaps(found) / total
    size = found.n.shape[0]
    sides = (slice(0, size), slice(size, None))
    errors = [float(np.abs(gaps[side]).sum()) for side in sides]
    if total < FEWEST:
        return Beside(total, total, Estimate(errors[0]), Estimate(errors[1]), Estimate(errors[1] - errors[0]))
    values, vectors = np.linalg.eigh(_covariance(found))
    normal = np.random.default_rng(seed).standard_normal((draws, len(gaps)))
    noise = normal * np.sqrt(np.maximum(values, 0)) @ vectors.T / total
    one, two = (_estimate(gaps[side], noise[:, side]) for side in sides)
    apart = errors[1] - errors[0]
    low, high = (
        float(apart - np.percentile(second - first, end))
        for end, first, second in (
            (PERCENTILES[1], _above(gaps, noise, sides[0], one.high), _above(gaps, noise, sides[1], two.low)),
            (PERCENTILES[0], _above(gaps, noise, sides[0], one.low), _above(gaps, noise, sides[1], two.high)),
        )
    )
    return Beside(total, total, one, two, Estimate(apart, low, high))


def _estimate(gaps: Floats, noise: Floats) -> Estimate:
    return Estimate(float(np.abs(gaps).sum()), *held_errors(gaps, noise))


def _above(gaps: Floats, noise: Floats, side: slice, error: float) -> Floats:
    """By how much the error seen would be above this true one, `[draw]`: less the larger it is."""
    own = gaps[side]
    seen = np.abs(own).sum()
    scale = error / seen if seen else 0.0
    made: Floats = np.abs(scale * own + noise[:, side]).sum(1) - error
    return made


def _gaps(found: Cells) -> Floats:
    """What was stated minus right of the first's bins and the second's, added up, `[2 * bin]`."""
    apart = found.stated - found.right
    return np.concatenate([apart[0].sum(1), apart[1].sum(0)])


def _covariance(found: Cells) -> Floats:
    """Of the right answers of both models' bins, `[2 * bin, 2 * bin]`."""
    size = found.n.shape[0]
    counts = np.concatenate([found.n.sum(1), found.n.sum(0)]).astype(np.float64)
    right = np.concatenate([found.right[0].sum(1), found.right[1].sum(0)]).astype(np.float64)
    made = np.diag(variances(counts, right))
    mean = np.divide(right, counts, out=np.zeros(len(right)), where=counts > 0)
    one, two = mean[:size, None], mean[None, size:]
    cross = found.both - one * found.right[1] - two * found.right[0] + found.n * one * two
    made[:size, size:], made[size:, :size] = cross, cross.T
    return made


def _curve(found: Cells, side: int, error: Estimate) -> Reliability:
    axis = 1 - side
    counts = found.n.sum(axis)
    kept = counts > 0
    n, stated, right = counts[kept], *(part[side].sum(axis)[kept] for part in (found.stated, found.right))
    bounds = [wilson(float(share), int(count)) for share, count in zip(right, n, strict=True)]
    low, high = (np.array([bound[end] for bound in bounds], np.float64) for end in (0, 1))
    return Reliability(stated / n, right / n, low, high, n, error.value, error.low, error.high, int(n.sum()))
