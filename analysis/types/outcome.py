"""What came out of a method beside its scores, in the method's own words: whoever shows it knows no method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Outcome:
    """Facts that a method found out while it computed; None, or nothing, where it does not say.

    converged: the method's judgement of its scores; False means that they are not to be built on. steps: points that it
    evaluated, of a path or of a game (coalitions). value_change: the explained quantity minus that at the method's
    baseline, in its unit: what the scores should add up to. error: the largest of `score_errors` (or what stands for
    it), in the same unit, and error_label what it is, as in `other draws move single scores by about`. remedy: more of
    what helps when it did not converge, as in `more samples (samples)`. not_explained: why tokens it could have scored
    are NaN. terms: shares of the explained quantity that lie on no token, head or component, in its unit, by a label
    for people. facts: what else there is to say, by such a label.
    """

    converged: bool | None = None
    steps: int | None = None
    value_change: float | None = None
    error: float | None = None
    error_label: str = ""
    remedy: str = ""
    not_explained: str = ""
    terms: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)


PARTNER = "other prompt of the pair"
"""The fact that holds the text of the counterfactual which a method compared the prompt with."""

NOTHING = Outcome()
"""Of a method that has scores and no more to say."""


def measured(value: float) -> float | None:
    """A number of an Outcome: None when it is none."""
    return value if math.isfinite(value) else None
