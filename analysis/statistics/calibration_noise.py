"""What noise does to an expected calibration error, and the interval that follows: noise alone makes an error above 0,
so resamples of the answers, which add noise once more, lie above the true error and miss it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.intervals import PERCENTILES

Floats = NDArray[np.float64]
MOST, STEPS = 64.0, 30


def variances(counts: Floats, right: Floats) -> Floats:
    """Of the right answers of bins `[bin]`: one right and one wrong answer added (Agresti and Coull 1998), so that a
    bin where all are alike has noise, too."""
    share = (right + 1) / (counts + 2)
    made: Floats = counts * share * (1 - share)
    return made


def held_errors(gaps: Floats, noise: Floats) -> tuple[float, float]:
    """The least and the largest error under which the one seen is among the middle 95 %: that of `gaps` `[bin]` times a
    factor, under `noise` `[draw, bin]` added to them. 0 where the noise of a calibrated model explains it."""
    seen = float(np.abs(gaps).sum())

    def factor(percentile: float) -> float:
        low, high = 0.0, 1.0
        while (above := quantile(high, percentile)) < seen and high < MOST:
            low, high = high, high * 2
        if above < seen or quantile(low, percentile) >= seen:
            return low
        for _ in range(STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if quantile(middle, percentile) < seen else (low, middle)
        return (low + high) / 2

    def quantile(scale: float, percentile: float) -> float:
        return float(np.percentile(np.abs(scale * gaps + noise).sum(1), percentile))

    low, high = (factor(percentile) * seen for percentile in reversed(PERCENTILES))
    return low, high
