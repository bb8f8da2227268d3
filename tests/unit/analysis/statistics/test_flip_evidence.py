"""What changed inside two runs of a prompt, against numpy and by hand; McNemar's test against scipy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from headscope.analysis.statistics.flip_evidence import LOOKS, MOST, SHARES, Inside, flip_evidence
from headscope.analysis.statistics.mcnemar import mcnemar
from headscope.analysis.types import HeadSummary
from headscope.analysis.types.outcome import Outcome
from tests.factories import make_attribution, make_result

NAN = float("nan")


def inside(seed: int, *scores: object, tokens: tuple[str, ...] = ("a", " b", " c", " d")) -> Inside:
    return Inside(tokens, tuple(scores), make_result(seed=seed).heads)  # type: ignore[arg-type]


@pytest.mark.parametrize(("above", "below"), [(0, 0), (3, 0), (0, 7), (5, 5), (4, 19), (700, 650), (30_000, 29_000)])
def test_mcnemar_is_the_binomial_test(above: int, below: int) -> None:
    expected = binomtest(above, above + below).pvalue if above + below else 1.0
    assert mcnemar(above, below) == pytest.approx(expected, rel=1e-6)


def test_tokens_that_moved_most_come_first_and_unmeasured_ones_not_at_all() -> None:
    before = make_attribution("occlusion", np.array([1.0, 0.5, NAN, 0.0]))
    after = make_attribution("occlusion", np.array([1.0, -2.0, 9.0, 0.25]))
    found = flip_evidence(inside(0, before), inside(0, after))
    assert [(s.position, s.token, s.baseline, s.candidate) for s in found.tokens] == [
        (1, " b", 0.5, -2.0), (3, " d", 0.0, 0.25),
    ]  # fmt: skip
    assert (found.method, found.no_tokens) == ("occlusion", "")
    assert found.heads == ()  # the same seed: no head looks elsewhere


def test_the_shares_of_heads_are_ranked_together() -> None:
    one, other = inside(1), inside(2)
    found = flip_evidence(one, other)
    assert one.heads is not None
    assert other.heads is not None
    moved = {}
    for name in SHARES:
        apart = np.abs(getattr(one.heads, name) - getattr(other.heads, name))
        moved |= {(layer, head, name): float(apart[layer, head]) for layer in range(4) for head in range(3)}
    known = {place: size for place, size in moved.items() if not np.isnan(size)}
    expected = sorted(known, key=lambda place: -known[place])[:MOST]
    assert [(shift.layer, shift.head, shift.statistic) for shift in found.heads] == expected
    assert found.heads_by == LOOKS


def test_effects_of_heads_stand_before_where_they_look() -> None:
    effects = [replace(make_attribution("head_ablation", grid), axes=("layer", "head"))
               for grid in (np.zeros((4, 3)), np.arange(12.0).reshape(4, 3))]  # fmt: skip
    found = flip_evidence(inside(1, effects[0]), inside(2, effects[1]))
    assert found.heads_by == "head_ablation"
    assert [(shift.layer, shift.head, shift.candidate) for shift in found.heads] == [(3, 2, 11), (3, 1, 10), (3, 0, 9)]


def test_a_method_is_taken_that_both_can_be_compared_by() -> None:
    rough, better, size = (make_attribution(name, np.ones(4), signed=name != "saliency")
                           for name in ("input_x_gradient", "occlusion", "saliency"))  # fmt: skip
    assert flip_evidence(inside(1, size, rough, better), inside(1, size, rough, better)).method == "occlusion"
    assert flip_evidence(inside(1, size, rough), inside(1, size, rough)).method == "input_x_gradient"
    unsure = replace(better, outcome=Outcome(converged=False))
    for other in (replace(better, params={"steps": 9}), replace(better, target=" or"), unsure):
        assert flip_evidence(inside(1, better, size), inside(1, other, size)).method == "saliency"
    failed = replace(size, error="no gradient")
    assert "no method explained" in flip_evidence(inside(1, failed), inside(1, size)).no_tokens


def test_what_cannot_be_compared_has_a_reason() -> None:
    scores = make_attribution("occlusion", np.ones(4))
    apart = flip_evidence(inside(1, scores), inside(1, scores, tokens=("a", " b", " c d")))
    assert "different tokens" in apart.no_tokens
    small = make_result(shape=(2, 3)).heads
    assert small is not None
    assert "other numbers of layers" in flip_evidence(inside(1), replace(inside(1), heads=small)).no_heads
    assert "no summaries of heads" in flip_evidence(inside(1), replace(inside(1), heads=None)).no_heads
    assert isinstance(small, HeadSummary)
