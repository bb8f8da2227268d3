"""How frequent something is, seen through a scorer that errs: raw shares, and shares corrected for its errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from headscope.analysis.statistics.intervals import Z, wilson

NO_ERRORS = "the errors of this scorer at this threshold were not measured"
NO_TEXTS = "no scored texts"
NO_BETTER = "this scorer says yes to negative texts as often as to positive ones, or was measured on too few to tell"
TOO_FEW = (
    "fewer texts are flagged than its false positives alone would be: the error rates on its card do not hold for these"
)
TOO_MANY = "more texts are flagged than it flags of positive ones: the error rates on its card do not hold for these"


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
    [0, 1]; `_not_refuted` has the interval. Where no prevalence at all goes with what was flagged there is none, for
    then the errors were others.
    """
    low, high = wilson(flagged, n)
    raw = flagged / n if n else math.nan
    without = Rate(flagged, n, raw, low, high, math.nan, math.nan, math.nan)
    if n == 0 or errors is None:
        return replace(without, reason=NO_ERRORS if n else NO_TEXTS)
    se, f = (_adjusted(x, of) for x, of in _counts(errors))
    if not _better_than_chance(se, f):
        return replace(without, reason=NO_BETTER)
    least, most = _not_refuted(raw, n, se, f)
    if most < 0 or least > 1:
        return replace(without, reason=TOO_FEW if most < 0 else TOO_MANY)
    if raw < f.share:  # what is missing to the false positives is chance: nobody is surer for it
        most = _not_refuted(f.share, n, se, f)[1]
    if raw > se.share:
        least = _not_refuted(se.share, n, se, f)[0]
    estimate = _clipped((raw + errors.specificity - 1) / (errors.sensitivity + errors.specificity - 1))
    bounds = min(_clipped(least), estimate), max(_clipped(most), estimate)
    return Rate(flagged, n, raw, low, high, estimate, *bounds)


@dataclass(frozen=True, slots=True)
class _Share:
    """An estimated share with its variance."""

    share: float
    variance: float


def _adjusted(count: int, of: int) -> _Share:
    """Lang and Reiczigel's (2014) estimate, (x + 1) / (n + 2): a scorer that made no error among a few texts is not
    taken for perfect."""
    share = (count + 1) / (of + 2)
    return _Share(share, share * (1 - share) / (of + 2))


def _better_than_chance(se: _Share, f: _Share) -> bool:
    youden = se.share - f.share
    return youden > 0 and youden * youden > Z * Z * (se.variance + f.variance)


def _not_refuted(raw: float, n: int, se: _Share, f: _Share) -> tuple[float, float]:
    """The ends of every prevalence that a score test at 5 % does not refute; they may lie outside [0, 1].

    Wilson's interval with two more binomials. At prevalence v a share m = v se + (1 - v) f is expected, and the
    observed one differs from it with variance m (1 - m) / n + v^2 var(se) + (1 - v)^2 var(f): sampling, and what the
    scorer's test texts leave open about its sensitivity se and its false-positive rate f. (raw - m)^2 = z^2 variance
    is quadratic in v, as Fieller's is. For a scorer known to be perfect it is Wilson's interval.
    """
    youden, away, z2 = se.share - f.share, raw - f.share, Z * Z
    a = youden * youden * (1 + z2 / n) - z2 * (se.variance + f.variance)
    b = -2 * youden * away - z2 * (youden * (1 - 2 * f.share) / n - 2 * f.variance)
    c = away * away - z2 * (f.share * (1 - f.share) / n + f.variance)
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def _clipped(value: float) -> float:
    return min(1.0, max(0.0, value))


def _counts(errors: ErrorCounts) -> tuple[tuple[int, int], tuple[int, int]]:
    return (errors.true_positives, errors.positives), (errors.false_positives, errors.negatives)
