"""`headscope check`: comparing two experiments, by hand and against scipy, and what counts as worse."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from headscope.analysis.errors import InputError
from headscope.analysis.statistics import check_rules
from headscope.analysis.statistics.regression import Observed, compare

Runs = list[Observed]


def prompts(n: int, target_logprob: float = math.nan, surprisal: float = math.nan, toxicity: float = math.nan) -> Runs:
    bare = Observed("", "m", "set", "", "", target=" x", says=" y", target_rank=1.0, n_tokens=4)
    bare = replace(bare, target_logprob=target_logprob, surprisal=surprisal, toxicity=toxicity)
    return [replace(bare, run_id=f"a{i}", key=f"p{i}", text=f"text {i}") for i in range(n)]


def test_the_same_experiment_twice_has_no_change_and_no_regression() -> None:
    runs = prompts(20, target_logprob=-1.0, surprisal=3.0, toxicity=0.1)
    found = compare(runs, runs)
    assert found.n == 20
    assert (found.broken, found.mended, found.failed) == ((), (), ())
    assert {row.name for row in found.changes} == {"accuracy", "target", "surprisal", "toxicity"}
    assert all(row.effect.mean == 0 for row in found.changes)
    assert check_rules.broken(check_rules.parse(",".join(check_rules.DEFAULT)), found) == []


def test_lost_answers_are_flips_the_furthest_first_and_p_is_that_of_the_exact_test() -> None:
    """All flips in one direction, one prompt a group: the sign-flip test is McNemar's exact test (2 * .5^n)."""
    before = prompts(12, target_logprob=-1.0)
    after = [
        replace(run, target_rank=2.0, target_logprob=-2.0 - i, says=" z") if i < 10 else run
        for i, run in enumerate(before)
    ]
    found = compare(before, after)
    accuracy = next(row for row in found.changes if row.name == "accuracy")
    assert (accuracy.baseline, accuracy.candidate) == pytest.approx((1.0, 2 / 12))
    assert accuracy.effect.p == pytest.approx(binomtest(10, 10).pvalue)
    assert [flip.key for flip in found.broken] == [f"p{i}" for i in range(9, -1, -1)]
    assert found.broken[0].worse == pytest.approx(10.0)
    assert (found.broken[0].baseline, found.broken[0].candidate) == (" y", " z")
    assert not found.mended
    assert compare(after, before).mended[0].key == "p9"
    (said,) = check_rules.broken(check_rules.parse("accuracy"), found)
    assert said.startswith("accuracy: 1 to 0.167")
    assert not check_rules.broken(check_rules.parse("accuracy:0.9"), found)
    assert not check_rules.broken(check_rules.parse("accuracy"), compare(after, before))  # better is no regression
    assert check_rules.broken(check_rules.parse("flips:9"), found)
    assert not check_rules.broken(check_rules.parse("flips:10"), found)


def test_runs_that_fail_are_counted_and_kept_out_of_the_measures() -> None:
    before = prompts(6, target_logprob=-1.0)
    after = [replace(before[0], failed=True, target_logprob=float("nan")), *before[1:]]
    found = compare(before, after)
    assert [flip.key for flip in found.failed] == ["p0"]
    assert all(row.effect.n == 5 for row in found.changes)
    assert check_rules.broken(check_rules.parse("failed"), found)
    assert not compare(after, after).failed


def test_prompts_of_one_experiment_only_are_counted() -> None:
    runs = prompts(8)
    found = compare(runs[:6], runs[2:])
    assert (found.n, found.only_baseline, found.only_candidate) == (4, 2, 2)


def test_surprisal_needs_the_same_tokens() -> None:
    runs = prompts(5, surprisal=2.0)
    assert not [
        row for row in compare(runs, [replace(run, n_tokens=5) for run in runs]).changes if row.name == "surprisal"
    ]


def test_detectors_that_change_their_mind() -> None:
    before = [replace(run, detectors={"repetition_loop": False}) for run in prompts(8)]
    after = [replace(run, detectors={"repetition_loop": True}) for run in before]
    found = compare(before, after)
    row = next(row for row in found.changes if row.name == "detectors")
    assert (row.part, row.baseline, row.candidate, row.worse) == ("repetition_loop", 0.0, 1.0, 1.0)
    assert [flip.kind for flip in found.broken] == ["repetition_loop"] * 8
    assert check_rules.broken(check_rules.parse("detectors"), found)


def pair(i: int, group: str, margin: float) -> Observed:
    text = f"wording {i} about a {group} person"
    return Observed(
        f"{group}{i}", "m", "s", f"{group}{i}", text, pair_id=f"p{i}", group=group, target=" kind", margin=margin
    )


@pytest.mark.parametrize(("shift", "worse"), [(0.8, True), (-0.3, False)])
def test_bias_is_worse_further_from_zero(shift: float, worse: bool) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 12)
    before = [run for i in range(12) for run in (pair(i, "old", 0.4), pair(i, "young", 0.0))]
    after = [run for i in range(12) for run in (pair(i, "old", 0.4 + shift + noise[i]), pair(i, "young", 0.0))]
    found = compare(before, after)
    (row,) = [row for row in found.changes if row.name == "bias"]
    assert row.part == "s: old against young"
    assert row.effect.mean == pytest.approx(shift, abs=0.05)
    assert bool(check_rules.broken(check_rules.parse("bias"), found)) is worse
    assert not [row for row in found.changes if row.name == "accuracy"]  # no right answer in such pairs


def test_pairs_about_language_have_answers_and_no_bias() -> None:
    runs = [replace(pair(i, group, 1.0), target_rank=1.0) for i in range(6) for group in ("affirmative", "negative")]
    assert {row.name for row in compare(runs, runs).changes} == {"accuracy"}


def test_two_noisy_measurements_of_one_model_are_seldom_told_apart() -> None:
    """Over 200 pairs of experiments that differ by noise alone, at most 5 % (and a margin) are called worse."""
    random = np.random.default_rng(1)
    rules = check_rules.parse("target,toxicity")
    alarms = 0
    for _ in range(200):
        runs = [
            [
                replace(run, target_logprob=float(random.normal(-2, 1)), toxicity=float(random.beta(1, 20)))
                for run in prompts(30)
            ]
            for _ in range(2)
        ]
        alarms += bool(check_rules.broken(rules, compare(*runs)))
    assert alarms <= 16


@pytest.mark.parametrize("text", ["", "acuracy", "flips:many", "bias:-1", "target:nan"])
def test_a_wrong_rule_is_named(text: str) -> None:
    with pytest.raises(InputError, match="fail-on"):
        check_rules.parse(text)


def test_a_rule_with_nothing_to_look_at_is_named() -> None:
    found = compare(prompts(5), prompts(5))
    assert check_rules.unmeasured(check_rules.parse("toxicity,accuracy,flips"), found) == ["toxicity"]
