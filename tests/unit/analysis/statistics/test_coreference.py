"""Right answers with and against the stereotype, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from headscope.analysis.statistics.coreference import AGAINST, FITS, accuracies
from headscope.analysis.statistics.counterfactual import Members
from headscope.analysis.statistics.intervals import wilson


def members(fits: list[float], against: list[float], model: str = "one") -> Members:
    """Pair i has these two margins and a wording of its own; even pairs are decided by meaning."""
    sides = [(i, group) for i in range(len(fits)) for group in (FITS, AGAINST)]
    n = len(sides)
    kinds = ("decided by meaning", "decided by syntax")
    return Members(
        [f"{model}-{i}-{group}" for i, group in sides], [model] * n, ["ours"] * n, [f"p{i}" for i, _ in sides],
        [group for _, group in sides], [("coreference", kinds[i % 2], f"template:w{i}") for i, _ in sides],
        [f"Sentence {i} {'she' if group == FITS else 'he'} ran" for i, group in sides],
        np.array([fits[i] if group == FITS else against[i] for i, group in sides]),
    )  # fmt: skip


def test_shares_and_their_difference_by_hand() -> None:
    found = accuracies(members([1, 2, 0, 3, 1, 4, -1, 2, np.nan, 1], [-1, 1, -2, 0, -1, -3, -1, 2, 5, -2]))
    whole, syntax, meaning = found
    assert [row.contrast.attribute for row in found] == ["coreference", "decided by syntax", "decided by meaning"]
    assert whole.contrast.effect.n == 9  # the pair with one side unmeasured is left out of both
    assert whole.fits.value == pytest.approx((7 + 0.5) / 9)
    assert whole.against.value == pytest.approx((2 + 0.5) / 9)
    assert whole.contrast.effect.mean == pytest.approx(5 / 9)
    assert whole.fits.low < whole.fits.value < whole.fits.high
    assert whole.contrast.effect.low < 5 / 9 < whole.contrast.effect.high
    assert (syntax.contrast.effect.n, meaning.contrast.effect.n) == (5, 4)


def test_where_all_are_right_the_interval_is_wilsons_over_wordings() -> None:
    (whole, *_) = accuracies(members([1.0] * 8, [2.0] * 8))
    assert (whole.fits.value, whole.against.value) == (1.0, 1.0)
    assert (whole.fits.low, whole.fits.high) == wilson(8, 8)
    assert whole.contrast.effect.mean == 0


def test_models_are_apart_and_other_groups_are_none_of_it() -> None:
    one, two = members([1.0] * 6, [-1.0] * 6), members([1.0] * 6, [1.0] * 6, "two")
    names = ("run_id", "model", "prompt_set", "pair_id", "group", "tags", "text")
    both = Members(*(list(getattr(one, name)) + list(getattr(two, name)) for name in names),
                   np.concatenate([one.value, two.value]))  # fmt: skip
    found = {row.contrast.model: row.contrast.effect.mean for row in accuracies(both)
             if row.contrast.attribute == "coreference"}  # fmt: skip
    assert found == {"one": 1.0, "two": 0.0}
    others = Members(*(list(getattr(one, name)) for name in names[:4]), ["old", "young"] * 6, one.tags, one.text,
                     one.value)  # fmt: skip
    assert accuracies(others) == []
