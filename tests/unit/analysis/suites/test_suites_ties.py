"""A model that cannot tell is neither right nor biased on any set, and one that measured nothing has no score."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from headscope.analysis.suites import SUITES, suite
from headscope.analysis.suites.base import EQUAL, Case, Score, SuiteRun, best, preference
from tests.suite_samples import NAN, of_cases, of_runs, run, scores

NEUTRAL = {
    "prefers_stereotype": 0.5, "lms": 50.0, "ss": 50.0, "icat": 50.0, "accuracy_pro": 0.5, "accuracy_anti": 0.5,
    "difference": 0.0, "accuracy": 0.5, "occupation_gap": 0.0, "accuracy_ambig": 1 / 3, "accuracy_disambig": 1 / 3,
    "s_DIS": 0.0, "s_AMB": 0.0, "mc1": 1 / 3, "mc2": 1 / 3, "p_at_1": 0.0, "coverage": 0.0, "consistent_accuracy": 0.0,
    "ties": 1.0,
}  # fmt: skip
"""What a model gets to which everything is equally likely; for the rest of the scores there is nothing to say."""
Build = Callable[[float], list[SuiteRun]]


def crows(value: float) -> list[SuiteRun]:
    tags = ("crows_pairs", "bias:age", "direction:stereo")
    return [run(f"{pair}-{side}", value, group=side, pair=str(pair), tags=tags)
            for pair, side in product(range(6), ("more", "less"))]  # fmt: skip


def stereoset(value: float) -> list[SuiteRun]:
    labels = ("stereotype", "anti-stereotype", "unrelated")
    return [run(f"{item}-{label}", value, group=label, pair=str(item),
                tags=("stereoset", "intrasentence", "bias:race", f"target:{item % 3}"))
            for item, label in product(range(6), labels)]  # fmt: skip


def winobias(value: float) -> list[SuiteRun]:
    return [run(f"{line}-{side}-{role}", value, group=side, pair=f"type1-dev-{line}",
                tags=("winobias", f"candidate:{role}"))
            for line, side, role in product(range(1, 13), ("pro", "anti"), ("answer", "other"))]  # fmt: skip


def winogender(value: float) -> list[SuiteRun]:
    runs = []
    for job, gender, role in product(range(6), ("male", "female", "neutral"), ("occupation", "participant")):
        tags = ("winogender", f"occupation:{job}", "answer:occupation", f"candidate:{role}", f"bls:{job}")
        runs.append(run(f"{job}-{gender}-{role}", value, group=gender, pair=str(job), tags=tags))
    return runs


def bbq(value: float) -> list[SuiteRun]:
    runs = []
    for item, condition, role in product(range(6), ("ambig", "disambig"), ("target", "nontarget", "unknown")):
        right = ["correct"] if role == ("unknown" if condition == "ambig" else "target") else []
        tags = ("bbq", "category:Age", f"condition:{condition}", "polarity:neg", f"template:{item}", *right)
        runs.append(run(f"{item}-{condition}-{role}", value, group=role, pair=f"{item}-{condition}", tags=tags))
    return runs


def truthfulqa(value: float) -> list[SuiteRun]:
    return [run(f"{item}-{answer}", value, group="false" if answer else "true", pair=str(item),
                tags=("truthfulqa", "answers:3", "mc1", "mc2"))
            for item, answer in product(range(6), range(3))]  # fmt: skip


def blimp(value: float) -> list[SuiteRun]:
    return [run(f"{pair}-{side}", value, group=side, pair=str(pair),
                tags=("blimp", "field:syntax", "term:binding", f"UID:{pair % 5}"))
            for pair, side in product(range(10), ("good", "bad"))]  # fmt: skip


def facts(name: str) -> Build:
    """The target is on top, as all of the stored candidates are; nothing is known where nothing was measured."""

    def build(value: float) -> list[SuiteRun]:
        listed = tuple((f" t{i}", value) for i in range(20))
        known = {"target_token": " t0", "target_rank": 1, "candidates": listed} if math.isfinite(value) else {}
        return [run(f"{item}-{pattern}", value, group=str(pattern), pair=str(item), tags=(name, "relation:P1"),
                    target=" t0", **(known | {"target_token": f" t{item}"} if known else known))
                for item, pattern in product(range(6), range(3))]  # fmt: skip

    return build


BUILD: dict[str, Build] = {
    "crows_pairs": crows, "stereoset": stereoset, "winobias": winobias, "winogender": winogender, "bbq": bbq,
    "truthfulqa": truthfulqa, "blimp": blimp, "lama": facts("lama"), "pararel": facts("pararel"),
}  # fmt: skip


def test_every_suite_that_reads_runs_is_tried() -> None:
    assert BUILD.keys() == {name for name, found in SUITES.items() if found.score}
    for name in BUILD:
        assert "ties" in suite(name).definitions


@pytest.mark.parametrize("name", BUILD)
def test_a_constant_model_is_neither_right_nor_biased(name: str) -> None:
    found = of_runs(name, BUILD[name](-2.0))
    assert {score.name for score in found.scores} == suite(name).definitions.keys()
    for score in found.scores:
        if name == "pararel" and score.name == "accuracy":
            assert score.value == 0.0  # no prediction is wrong
        elif score.name in NEUTRAL:
            assert score.value == pytest.approx(NEUTRAL[score.name]), score
            assert score.n > 0
        else:
            assert math.isnan(score.value), score  # bls_correlation of no spread; consistency of no prediction
    assert not any(found.left_out.values())


@pytest.mark.parametrize("name", BUILD)
def test_noise_of_single_precision_is_a_tie(name: str) -> None:
    if name in {"lama", "pararel"}:  # ranks are exact
        return
    noise = iter(np.random.default_rng(0).uniform(-EQUAL / 2, EQUAL / 2, 1000))
    shaken = [replace(one, logprobs=one.logprobs.astype(np.float64) + next(noise)) for one in BUILD[name](-2.0)]
    assert scores(of_runs(name, shaken))["ties", "all"].value == 1.0


@pytest.mark.parametrize("name", BUILD)
def test_runs_without_numbers_have_no_score(name: str) -> None:
    for score in of_runs(name, BUILD[name](NAN)).scores:
        assert math.isnan(score.value), score
        assert score.n == 0


@pytest.mark.parametrize("name", ["hatecheck", "realtoxicityprompts", "bold"])
def test_a_constant_classifier_is_not_perfect(name: str) -> None:
    for value in (0.0, 0.5, 1.0):
        found = scores(of_cases(name, cases(name, value)))
        if name == "hatecheck":
            assert found["accuracy", "all"].value == 0.5
            assert found["accuracy", "label hateful"].value + found["accuracy", "label non-hateful"].value == 1.0
        else:
            assert {score.value for score in found.values()} <= {value, float(value >= 0.5)}


def cases(name: str, value: float) -> Sequence[Case]:
    groups = ("hateful", "non-hateful") if name == "hatecheck" else ("toxic", "nontoxic")
    tags = (name, "functionality:f", "domain:race")
    given = (value,) if name == "hatecheck" else (value, value)
    return [Case(f"g/{i}/1", group, tags, given) for i, group in product(range(6), groups)]


def test_a_preference_and_the_best() -> None:
    assert (preference(-1, -2), preference(-2, -1), preference(-1, -1 - EQUAL / 2)) == (1.0, 0.0, 0.5)
    assert math.isnan(preference(NAN, -1))
    assert math.isnan(preference(-1, -math.inf))
    assert best([-1.0, -1.0, -3.0, -1.0]) == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])


def test_equal_candidates_share_the_answer() -> None:
    two = run("a", -1.0, tags=("lama", "relation:P1"), target_token=" tea", target_rank=1,
              candidates=((" tea", -1.0), (" ale", -1.0), (" gin", -2.0)))  # fmt: skip
    found: dict[tuple[str, str], Score] = scores(of_runs("lama", [two]))
    assert (found["p_at_1", "all"].value, found["ties", "all"].value) == (0.5, 1.0)
