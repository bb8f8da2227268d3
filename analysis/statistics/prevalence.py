"""How frequent something is, seen through a scorer that errs: raw shares, and shares corrected for its errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headscope.analysis.statistics.intervals import Z, wilson

NO_ERRORS = "the errors of this scorer at this threshold were not measured"
NO_TEXTS = "no scored texts"
NO_BETTER = "this scorer says yes to negative texts as often as to positive ones, or was measured on too few to tell"


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """What a scorer did, at one threshold, with texts that people had judged: how many of the positives and how many
    of the negatives it said yes to."""

    true_positives: int
    positives: int
    false_positives: int
    negatives: int

    @property
    def sensitivity(self) -> float:
        """Share of the positives it says yes to; NaN without any."""
        return self.true_positives / self.positives if self.positives else math.nan

    @property
    def specificity(self) -> float:
        """Share of the negatives it says no to; NaN without any."""
        return 1 - self.false_positives / self.negatives if self.negatives else math.nan


@dataclass(frozen=True, slots=True)
class Rate:
    """`flagged` of `n` texts. raw, low, high: that share with Wilson's 95 % interval. corrected, corrected_low,
    corrected_high: the share that is so, as far as the scorer's errors let us know; NaN with a `reason`."""

    flagged: int
    n: int
    raw: float
    low: float
    high: float
    corrected: float
    corrected_low: float
    corrected_high: float
    reason: str = ""


def rate(flagged: int, n: int, errors: ErrorCounts | None) -> Rate:
    """The share of `n` texts that a scorer flagged, raw and corrected for its `errors`, each with a 95 % interval.

    The estimate is Rogan and Gladen's (1978), (p + specificity - 1) / (sensitivity + specificity - 1), clipped to
    [0, 1]. `_corrected` has the interval.
    """
    low, high = wilson(flagged, n)
    raw = flagged / n if n else math.nan
    if n == 0 or errors is None:
        return Rate(flagged, n, raw, low, high, math.nan, math.nan, math.nan, NO_ERRORS if n else NO_TEXTS)
    found = _corrected(flagged, n, errors) if errors.positives and errors.negatives else None
    if found is None:
        return Rate(flagged, n, raw, low, high, math.nan, math.nan, math.nan, NO_BETTER)
    youden = errors.sensitivity + errors.specificity - 1
    estimate = min(1.0, max(0.0, (raw + errors.specificity - 1) / youden))
    return Rate(flagged, n, raw, low, high, estimate, min(found[0], estimate), max(found[1], estimate))


def _corrected(flagged: int, n: int, errors: ErrorCounts) -> tuple[float, float] | None:
    """Every prevalence that a score test at 5 % does not refute, clipped to [0, 1]; None where that is no interval.

    Wilson's interval with two more binomials. At prevalence v a share m = v se + (1 - v) f is expected, and the
    observed p differs from it with variance m (1 - m) / n + v^2 se (1 - se) / P + (1 - v)^2 f (1 - f) / N: sampling,
    and what the P positives and N negatives leave open about the sensitivity se and the false-positive rate f.
    (p - m)^2 = z^2 variance is quadratic in v, as Fieller's is. se and f are Lang and Reiczigel's (2014) adjusted
    estimates, (x + 1) / (n + 2), so that a scorer that made no error among a few texts is not taken for perfect.
    With a scorer known to be perfect it is Wilson's interval.
    """
    se, f = ((x + 1) / (of + 2) for x, of in _counts(errors))
    var_se, var_f = se * (1 - se) / (errors.positives + 2), f * (1 - f) / (errors.negatives + 2)
    youden, z2 = se - f, Z * Z
    a = youden * youden * (1 + z2 / n) - z2 * (var_se + var_f)
    if youden <= 0 or youden * youden <= z2 * (var_se + var_f):  # not shown to be better than chance
        return None
    away = flagged / n - f
    b = -2 * youden * away - z2 * (youden * (1 - 2 * f) / n - 2 * var_f)
    c = away * away - z2 * (f * (1 - f) / n + var_f)
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    low, high = ((-b + sign * root) / (2 * a) for sign in (-1, 1))
    return min(1.0, max(0.0, low)), min(1.0, max(0.0, high))


def _counts(errors: ErrorCounts) -> tuple[tuple[int, int], tuple[int, int]]:
    return (errors.true_positives, errors.positives), (errors.false_positives, errors.negatives)
