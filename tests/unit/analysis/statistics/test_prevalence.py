"""Rates corrected for a scorer's errors: by hand, against Wilson and Lang-Reiczigel, and their coverage simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from headscope.analysis.statistics.intervals import Z, wilson
from headscope.analysis.statistics.prevalence import (
    NO_BETTER,
    NO_ERRORS,
    NO_TEXTS,
    TOO_FEW,
    TOO_MANY,
    ErrorCounts,
    rate,
)

SHIPPED = ErrorCounts(2507, 2902, 491, 2888)
"""The counts of the shipped classifier's card at its threshold."""
KNOWN_PERFECT = ErrorCounts(10**12, 10**12, 0, 10**12)


def test_rogan_and_gladen_by_hand() -> None:
    found = rate(30, 100, ErrorCounts(90, 100, 5, 100))  # (.30 + .95 - 1) / (.90 + .95 - 1)
    assert (found.raw, found.low, found.high) == (0.3, *wilson(30, 100))
    assert found.corrected == pytest.approx(0.25 / 0.85)
    assert found.corrected_low < found.corrected < found.corrected_high
    # By hand: se = 91/102, f = 6/102, J = 85/102, a v^2 + b v + c = 0 at both ends.
    se, f, n = 91 / 102, 6 / 102, 100
    for v in (found.corrected_low, found.corrected_high):
        m = v * se + (1 - v) * f
        variance = m * (1 - m) / n + v**2 * se * (1 - se) / 102 + (1 - v) ** 2 * f * (1 - f) / 102
        assert abs(0.3 - m) == pytest.approx(Z * math.sqrt(variance), rel=1e-9)


@pytest.mark.parametrize("n", [7, 50, 2000])
def test_with_a_scorer_known_to_be_perfect_it_is_wilsons(n: int) -> None:
    for flagged in (0, 1, n // 3, n):
        found = rate(flagged, n, KNOWN_PERFECT)
        assert found.corrected == pytest.approx(flagged / n)
        assert (found.corrected_low, found.corrected_high) == pytest.approx(wilson(flagged, n), abs=1e-9)


def test_nothing_and_everything_flagged_have_width() -> None:
    for errors in (ErrorCounts(97, 100, 3, 100), KNOWN_PERFECT):
        none, every = rate(0, 40, errors), rate(40, 40, errors)
        assert (none.raw, none.corrected, none.corrected_low) == (0, 0, 0)
        assert (every.raw, every.corrected, every.corrected_high) == (1, 1, 1)
        assert none.high > 0.05 < none.corrected_high
        assert every.low < 0.95 > every.corrected_low


def test_fewer_than_the_false_positives_are_no_proof_of_none() -> None:
    """At 491 of 2,888 false positives, 100 texts without a toxic one give about 17 flagged."""
    ends = [rate(flagged, 100, SHIPPED).corrected_high for flagged in (11, 14, 17)]
    assert ends[0] == ends[1] == pytest.approx(ends[2], abs=0.01)  # no surer for having less
    assert rate(17, 100, SHIPPED).corrected == pytest.approx(0, abs=0.001)
    assert rate(3, 100, SHIPPED).reason == TOO_FEW
    assert rate(97, 100, SHIPPED).reason == TOO_MANY
    assert math.isnan(rate(3, 100, SHIPPED).corrected)


def test_what_cannot_be_corrected_says_why() -> None:
    raw = rate(3, 10, None)
    assert (raw.raw, raw.reason) == (0.3, NO_ERRORS)
    assert math.isnan(raw.corrected)
    assert math.isnan(raw.corrected_low)
    for useless in (
        ErrorCounts(5, 10, 5, 10),
        ErrorCounts(2, 10, 8, 10),
        ErrorCounts(2, 2, 1, 2),
        ErrorCounts(0, 0, 0, 0),
    ):
        found = rate(3, 10, useless)
        assert found.reason == NO_BETTER, useless
        assert math.isnan(found.corrected)
    assert rate(0, 0, SHIPPED).reason == NO_TEXTS


def lang_reiczigel(flagged: int, n: int, errors: ErrorCounts) -> tuple[float, float]:
    """Lang and Reiczigel (2014), written down from their formulas."""
    wide = n + Z * Z
    p = (flagged + Z * Z / 2) / wide
    of_p, of_n = errors.positives + 2, errors.negatives + 2
    se, sp = (errors.true_positives + 1) / of_p, (errors.negatives - errors.false_positives + 1) / of_n
    youden = se + sp - 1
    v = (p + sp - 1) / youden
    shift = 2 * Z * Z * (v * se * (1 - se) / of_p - (1 - v) * sp * (1 - sp) / of_n)
    spread = math.sqrt(p * (1 - p) / wide + v * v * se * (1 - se) / of_p + (1 - v) ** 2 * sp * (1 - sp) / of_n)
    return max(0.0, v + shift - Z * spread / youden), min(1.0, v + shift + Z * spread / youden)


@pytest.mark.parametrize("n", [200, 1000, 5000])
def test_with_many_texts_it_is_lang_and_reiczigels(n: int) -> None:
    for share in (0.2, 0.4, 0.7):
        found = rate(int(share * n), n, SHIPPED)
        assert (found.corrected_low, found.corrected_high) == pytest.approx(
            lang_reiczigel(int(share * n), n, SHIPPED), abs=0.01
        )


@pytest.mark.parametrize("n", [50, 200, 1000, 5000])
@pytest.mark.parametrize("prevalence", [0.0, 0.01, 0.05, 0.2, 0.5])
def test_coverage_is_95_percent(prevalence: float, n: int) -> None:
    """Of 95 % intervals 93 to 97.5 % hold the truth. Where nothing is so only the lower end can miss: there, and near
    it, they are conservative (about 97.5 %), and one in forty is withheld, when fewer are flagged than the false
    positives. 3,000 draws: two standard errors are .8 points."""
    generator = np.random.default_rng(n + int(1000 * prevalence))
    se, sp = SHIPPED.sensitivity, SHIPPED.specificity
    draws = 3000
    flagged = generator.binomial(n, prevalence * se + (1 - prevalence) * (1 - sp), draws)
    hits = generator.binomial(SHIPPED.positives, se, draws)
    wrong = generator.binomial(SHIPPED.negatives, 1 - sp, draws)
    held = withheld = 0
    for k, tp, fp in zip(flagged.tolist(), hits.tolist(), wrong.tolist(), strict=True):
        found = rate(k, n, ErrorCounts(tp, SHIPPED.positives, fp, SHIPPED.negatives))
        withheld += found.reason == TOO_FEW
        held += found.corrected_low <= prevalence <= found.corrected_high
    assert 0.93 <= held / (draws - withheld) <= 0.985
    assert withheld / draws <= (0.035 if prevalence <= 0.01 else 0.01)
