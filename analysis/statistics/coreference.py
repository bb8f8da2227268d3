"""Coreference in the manner of WinoBias (Zhao et al. 2018): how often the occupation that is meant is found where the
pronoun fits its stereotype, and where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.counterfactual import Contrast, Members, contrasts
from headscope.analysis.statistics.intervals import bootstrap_share

FITS, AGAINST = "fits the stereotype", "goes against it"
TAG = "coreference"


@dataclass(frozen=True, slots=True)
class Share:
    """A share of right answers with its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """contrast: of right answers (1, a tie ½, 0) where the pronoun fits the stereotype minus where it goes against it,
    over pairs of both; its effect's mean is the difference of the two shares."""

    contrast: Contrast
    fits: Share
    against: Share


def accuracies(members: Members) -> list[Accuracy]:
    """One for each model, set and kind of sentence that has such pairs. members: `value` is log P(target) minus
    log P(foil), nats, where the target is the occupation meant: above 0 is right, NaN is left out."""
    right = (members.value > 0) + 0.5 * (members.value == 0)
    judged = replace(members, value=np.where(np.isfinite(members.value), right, np.nan))
    rows = [row for row in contrasts(judged) if (row.a, row.b) == (FITS, AGAINST)]
    found = [_accuracy(row) for row in rows]
    return sorted(found, key=lambda item: (item.contrast.model, -item.contrast.effect.n, item.contrast.key))


def _accuracy(row: Contrast) -> Accuracy:
    pairs = row.pairs
    wordings = [pair.template for pair in pairs]
    fits, against = (
        _share(np.array([getattr(pair, name) for pair in pairs]), wordings) for name in ("a_value", "b_value")
    )
    return Accuracy(row, fits, against)


def _share(right: NDArray[np.float64], wordings: Sequence[str]) -> Share:
    """Wordings are drawn whole."""
    return Share(*bootstrap_share(right, wordings))
