"""Behaviour tests, judged by hand-made readings."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binomtest

from headscope.analysis.statistics.behaviour_tests import BehaviourTest, Example, Kind, Reading, judged

NAN = math.nan


def reading(says: str = " a", rank: float = 1, logprob: float = -1.0, margin: float = NAN) -> Reading:
    return Reading(f"run{says}{rank}{logprob}", says, rank, logprob, margin)


def outcome(
    kind: Kind, one: Reading, other: Reading | None = None, *, target: str | None = " a", foil: str | None = None,
    expect: str = "", by: float = 0.0,
) -> tuple[bool | None, float]:  # fmt: skip
    example = Example("1/1", "text", "changed" if other else "", target, foil)
    readings = {"1/1": one} | ({"1/1/changed": other} if other else {})
    (found,) = judged(BehaviourTest("t", kind, (example,), 0.0, expect, by), readings).outcomes
    return found.passed, found.short


def test_functionality_asks_for_the_top_or_for_more_than_the_foil() -> None:
    assert outcome("functionality", reading(rank=1)) == (True, 0)
    assert outcome("functionality", reading(rank=7)) == (False, 6)
    assert outcome("functionality", reading(rank=7, margin=0.5), foil=" b") == (True, -0.5)
    assert outcome("functionality", reading(margin=-0.5), foil=" b") == (False, 0.5)
    assert outcome("functionality", reading(margin=0.0), foil=" b")[0] is False
    assert outcome("functionality", reading(rank=NAN))[0] is None


def test_invariance_asks_for_the_same_token_or_a_target_that_stays() -> None:
    assert outcome("invariance", reading(" a"), reading(" a"), target=None) == (True, 0.0)
    assert outcome("invariance", reading(" a"), reading(" b"), target=None) == (False, 1.0)
    stays = outcome("invariance", reading(logprob=-1.0), reading(logprob=-1.4), by=0.5)
    assert stays == (True, pytest.approx(-0.1))
    assert outcome("invariance", reading(logprob=-1.0), reading(logprob=-1.6), by=0.5) == (False, pytest.approx(0.1))
    assert outcome("invariance", reading(logprob=-1.0), reading(logprob=-0.2), by=0.5)[0] is False


@pytest.mark.parametrize(("expect", "after", "passed"), [
    ("up", -0.5, True), ("up", -1.0, False), ("up", -0.8, False), ("up", -2.0, False),
    ("down", -1.5, True), ("down", -1.2, False), ("down", -0.5, False),
])  # fmt: skip
def test_direction_asks_for_a_move_of_some_size(expect: str, after: float, passed: bool) -> None:
    assert outcome("direction", reading(), reading(logprob=after), expect=expect, by=0.3)[0] is passed
    moved = outcome("direction", reading(margin=-1.0), reading(margin=after), foil=" b", expect=expect, by=0.3)
    assert moved[0] is passed


def test_no_move_is_no_direction() -> None:
    assert outcome("direction", reading(), reading(), expect="up")[0] is False
    assert outcome("direction", reading(), reading(logprob=NAN), expect="up")[0] is None


def test_a_test_fails_when_more_fail_than_may_and_missing_runs_are_not_counted() -> None:
    examples = tuple(Example(f"1/{i}", "text", "", " a") for i in range(11))
    test = BehaviourTest("capitals", "functionality", examples, allowed=0.2)
    found = judged(test, {f"1/{i}": reading(rank=1 if i > 1 else 2) for i in range(10)})
    assert (found.n, found.failed) == (10, 2)
    assert found.verdict({}).failed is False
    assert found.verdict({"functionality": 0.1}).failed is True
    low, high = binomtest(2, 10).proportion_ci(method="wilson")
    assert f"2 of 10 failed ({low:.0%} to {high:.0%}), 20% allowed" in found.verdict({}).said
    assert judged(test, {}).verdict({}).failed is None
