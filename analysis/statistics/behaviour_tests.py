"""Tests of behaviour, in the manner of CheckList (Ribeiro et al. 2020, arXiv:2005.04118): what passes each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from headscope.analysis.statistics.check_rules import Verdict
from headscope.analysis.statistics.intervals import wilson

Kind = Literal["functionality", "invariance", "direction"]
KINDS: tuple[Kind, ...] = ("functionality", "invariance", "direction")
DIRECTIONS = {"up": 1.0, "down": -1.0}


@dataclass(frozen=True, slots=True)
class Example:
    """text: the prompt; changed: the other one of an invariance or direction test; key: of its runs."""

    key: str
    text: str
    changed: str = ""
    target: str | None = None
    foil: str | None = None


@dataclass(frozen=True, slots=True)
class BehaviourTest:
    """allowed: the share of examples that may fail. expect: `up` or `down`, of direction tests. by: nats; what an
    invariance test with a target puts up with, and a direction test asks for at least."""

    name: str
    kind: Kind
    examples: tuple[Example, ...]
    allowed: float = 0.0
    expect: str = ""
    by: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run says; NaN where it was not measured. says: its top token; logprob: of the target; margin: target over
    foil; both in nats."""

    run_id: str
    says: str | None
    target_rank: float
    logprob: float
    margin: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One example: passed or not, None where a run is missing or failed. short: how far it is from passing, nats (in a
    test without a target 1, in a functionality test without a foil ranks); said: the top tokens, in words."""

    example: Example
    passed: bool | None
    short: float
    said: str
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TestResult:
    """A test over the examples that were measured: `failed` of `n`, with Wilson's 95 % interval of that share."""

    __test__ = False  # for pytest, which collects what is called Test

    test: BehaviourTest
    outcomes: tuple[Outcome, ...]

    @property
    def n(self) -> int:
        """Examples that were measured."""
        return sum(outcome.passed is not None for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        """Examples that did not pass."""
        return sum(outcome.passed is False for outcome in self.outcomes)

    def verdict(self, allowed: Mapping[str, float]) -> Verdict:
        """Whether more failed than may: the share that `allowed` has for its kind, else its own."""
        if not self.n:
            return Verdict(self.test.kind, self.test.name, None, f"{self.test.name}: no example was measured")
        limit = allowed.get(self.test.kind, self.test.allowed)
        low, high = wilson(self.failed, self.n)
        said = f"{self.test.name}: {self.failed} of {self.n} failed ({low:.0%} to {high:.0%}), {limit:.0%} allowed"
        return Verdict(self.test.kind, self.test.name, self.failed / self.n > limit, said)


def judged(test: BehaviourTest, readings: Mapping[str, Reading]) -> TestResult:
    """A test over the readings of its examples: under `KEY`, and under `KEY/changed` of the changed prompt."""
    return TestResult(test, tuple(_judge(test, example, readings) for example in test.examples))


def _judge(test: BehaviourTest, example: Example, readings: Mapping[str, Reading]) -> Outcome:
    keys = (example.key, f"{example.key}/changed") if example.changed else (example.key,)
    found = [readings[key] for key in keys if key in readings]
    if len(found) < len(keys):
        return Outcome(example, None, math.nan, "a run is missing or failed", ())
    passed, short = _decided(test, example, found)
    known = None if math.isnan(short) else passed
    said = " → ".join(repr(reading.says or "") for reading in found)
    return Outcome(example, known, short, said, tuple(reading.run_id for reading in found))


def _decided(test: BehaviourTest, example: Example, found: Sequence[Reading]) -> tuple[bool, float]:
    """Whether it passes, and how far it is from that.

    functionality: the target is preferred to the foil, or on top where there is none. invariance: the same token is on
    top, or, with a target, its log-probability moves by no more than `by`. direction: the log-probability of the target
    (with a foil: the margin) moves the way expected, by at least `by` and by something.
    """
    if test.kind == "functionality":
        short = -found[0].margin if example.foil is not None else found[0].target_rank - 1
        return short < 0 or (example.foil is None and short == 0), short
    if test.kind == "invariance" and example.target is None:
        same = found[0].says == found[1].says
        return same, float(not same)
    before, after = (reading.margin if example.foil is not None else reading.logprob for reading in found)
    if test.kind == "invariance":
        return abs(after - before) <= test.by, abs(after - before) - test.by
    along = (after - before) * DIRECTIONS[test.expect]
    return along > 0 and along >= test.by, test.by - along
