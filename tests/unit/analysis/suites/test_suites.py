"""Scores of published sets against numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.statistics.intervals import ANYWHERE, SHARES
from headscope.analysis.suites import SUITES, suite
from headscope.analysis.suites.base import Floats, SuiteRun, likelihood, per_token, total
from headscope.analysis.suites.estimates import mean_score, of_sums
from headscope.datasets import importers
from tests.suite_samples import NAN, of_runs, run, scores, values

# What is scored


def test_only_tokens_that_end_behind_the_context_count() -> None:
    text = run("a", -1, -2, -4, tags=["context:2"])  # tokens end at 1, 2, 3, 4
    assert likelihood(text) == (-6.0, 2)
    assert (total(text), per_token(text)) == (-6.0, -3.0)
    across = SuiteRun(
        "b", None, None, ("context:3",), np.array([NAN, -1, -2], np.float32), np.array([2, 5, 6], np.int32)
    )
    assert likelihood(across) == (-3.0, 2)  # the second token lies across the border
    assert likelihood(run("c", -1, -2)) == (-3.0, 2)
    value, n = likelihood(run("d"))
    assert math.isnan(value)
    assert n == 0
    assert math.isnan(per_token(run("d")))


def test_every_suite_scores_a_format_and_defines_its_scores() -> None:
    assert SUITES.keys() == importers.FORMATS.keys()
    for found in SUITES.values():
        assert (found.score is None) != (found.score_cases is None)
        assert all(definition.endswith(".") for definition in found.definitions.values())
        assert found.chances.keys() <= found.definitions.keys()
        assert {name for name, _ in (found.in_print.values if found.in_print else {})} <= found.definitions.keys()
    assert suite("crows-pairs") is suite("crows_pairs")
    with pytest.raises(UnknownNameError, match="the valid names are bbq"):
        suite("bolt")


# Intervals


def test_a_share_of_nothing_but_ones_has_wilsons_interval() -> None:
    score = mean_score("x", "all", [1.0] * 10)
    assert (score.value, score.high, score.n) == (1.0, pytest.approx(1.0), 10)
    assert score.low == pytest.approx(10 / (10 + 1.96**2), abs=1e-3)
    grouped = mean_score("x", "all", [1.0] * 10, list("aabbccddee"))
    assert grouped.low == pytest.approx(5 / (5 + 1.96**2), abs=1e-3)
    few = mean_score("x", "all", [1.0] * 4)
    assert math.isnan(few.low)
    assert mean_score("x", "all", []).n == 0


def test_a_function_of_sums_has_the_interval_of_the_mean_where_it_is_one() -> None:
    observed = np.random.default_rng(1).beta(2, 3, 60)
    parts = np.stack([np.ones(60), observed], axis=1)
    found = of_sums("x", "all", parts, ratio, 60, within=SHARES)
    mean = mean_score("x", "all", observed.tolist())
    assert found.value == pytest.approx(mean.value)
    assert (found.low, found.high) == pytest.approx((mean.low, mean.high), abs=0.05)
    together = of_sums("x", "all", parts, ratio, 60, ["a", "b", "c"] * 20, within=SHARES)
    assert together.value == pytest.approx(mean.value)
    assert math.isnan(together.low)  # three groups


def test_a_function_of_sums_has_the_interval_that_leaving_out_one_gives_where_it_is_wider() -> None:
    """Skewed numerators and denominators; the jackknife written out, Student's interval of it by scipy."""
    random = np.random.default_rng(7)
    parts = np.stack([random.gamma(1.5, 1, 8), random.exponential(1, 8)], axis=1)
    found = of_sums("x", "all", parts, ratio, 8, within=ANYWHERE)
    whole = parts[:, 1].sum() / parts[:, 0].sum()
    without = [np.delete(parts, i, axis=0) for i in range(8)]
    pseudo = np.array([8 * whole - 7 * part[:, 1].sum() / part[:, 0].sum() for part in without])
    low, high = stats.t.interval(0.95, 7, pseudo.mean(), stats.sem(pseudo))
    assert found.low == pytest.approx(low)
    assert found.high >= high
    narrow = of_sums("x", "all", parts, ratio, 8, within=(whole - 0.01, whole + 0.01))
    assert (narrow.low, narrow.high) == pytest.approx((whole - 0.01, whole + 0.01))


def test_where_one_item_alone_makes_a_score_possible_there_is_no_interval() -> None:
    parts = np.array([[1.0, 1.0], *[[0.0, 0.0]] * 9])
    found = of_sums("x", "all", parts, ratio, 1, within=SHARES)
    assert (found.value, found.n) == (1, 1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_where_every_item_has_the_most_the_interval_is_wilsons_on_the_way_there() -> None:
    parts = np.array([[1.0, 100.0]] * 10)
    found = of_sums("x", "all", parts, ratio, 10, within=(0, 100))
    assert (found.value, found.high) == (100, pytest.approx(100))
    assert found.low == pytest.approx(100 * 10 / (10 + 1.96**2), abs=0.1)
    others = of_sums("x", "all", np.vstack([parts, [[0.0, 0.0]] * 90]), ratio, 10, within=(0, 100))
    assert (others.low, others.high) == (found.low, found.high)  # what was not asked says nothing of the score


def test_intervals_of_skewed_ratios_hold_the_truth() -> None:
    """Numerators are exponential with mean 1, denominators gamma with mean 1.5; the bootstrap alone: 89 to 94 %."""
    for n in (5, 10):
        random, held = np.random.default_rng(n), 0
        for _ in range(300):
            parts = np.stack([random.gamma(1.5, 1, n), random.exponential(1, n)], axis=1)
            found = of_sums("x", "all", parts, ratio, n, within=(0, math.inf))
            held += found.low <= 1 / 1.5 <= found.high
        assert 0.93 <= held / 300 <= 0.985


def ratio(sums: Floats) -> Floats:
    found: Floats = sums[..., 1] / sums[..., 0]
    return found


# Bias


def crows(pair: str, more: float, less: float, direction: str, bias: str) -> list[SuiteRun]:
    tags = ("crows_pairs", f"bias:{bias}", f"direction:{direction}")
    return [
        run(f"{pair}-{side}", value, group=side, pair=pair, tags=tags)
        for side, value in (("more", more), ("less", less))
    ]


def test_crows_pairs() -> None:
    runs = [*crows("0", -1, -2, "stereo", "age"), *crows("1", -3, -2, "stereo", "age"),
            *crows("2", -1, -2, "antistereo", "race"), *crows("3", -2, -2, "stereo", "race")]  # fmt: skip
    found = of_runs("crows_pairs", [*runs, *crows("4", -1, -2, "stereo", "age")[:1]])
    assert values(found) == {
        ("prefers_stereotype", "all"): 2.5 / 4,  # pairs 0 and 2 of four, and half of pair 3
        ("prefers_stereotype", "bias age"): 0.5,
        ("prefers_stereotype", "bias race"): 0.75,
        ("prefers_stereotype", "direction antistereo"): 1.0,
        ("prefers_stereotype", "direction stereo"): 0.5,
        ("ties", "all"): 0.25,
    }
    assert scores(found)["prefers_stereotype", "all"].n == 4
    assert found.left_out == {"pairs without both sentences": 1}


def stereoset(name: str, target: str, stereo: float, anti: float, unrelated: float, task: str) -> list[SuiteRun]:
    tags = ("stereoset", task, "bias:race", f"target:{target}")
    options = {"stereotype": stereo, "anti-stereotype": anti, "unrelated": unrelated}
    return [run(f"{name}-{label}", value, value, group=label, pair=name, tags=tags) for label, value in options.items()]


def test_stereoset_is_a_mean_over_target_terms() -> None:
    runs = [
        *stereoset("a", "cat", -1, -2, -3, "intrasentence"),  # stereotype; both related beat unrelated
        *stereoset("b", "cat", -1, -2, -3, "intrasentence"),  # the same
        *stereoset("c", "cat", -2, -1, -3, "intrasentence"),  # anti-stereotype; both
        *stereoset("d", "dog", -3, -1, -2, "intersentence"),  # anti-stereotype; one of two
    ]
    found = values(of_runs("stereoset", runs))
    lms, ss = (100 + 50) / 2, (100 * 2 / 3 + 0) / 2
    assert found["lms", "all"] == lms
    assert found["ss", "all"] == ss
    assert found["icat", "all"] == lms * ss / 50
    assert found["icat", "intrasentence"] == 100 * (100 - 100 * 2 / 3) / 50
    assert (found["ss", "intersentence race"], found["lms", "intersentence race"]) == (0.0, 50.0)


def test_stereoset_compares_likelihood_per_token() -> None:
    options = stereoset("a", "cat", -1, -2, -3, "intrasentence")
    longer = run("a-stereotype", *[-1.0] * 9, group="stereotype", pair="a", tags=options[0].tags)
    assert values(of_runs("stereoset", [longer, *options[1:]]))["ss", "all"] == 100


def resolved(
    item: str, group: str, right: float, wrong: float, roles: tuple[str, str], pair: str, *tags: str
) -> list[SuiteRun]:
    return [
        run(f"{item}-{role}", -50, value, group=group, pair=pair, tags=(*tags, f"candidate:{role}", "context:2"))
        for role, value in zip(roles, (right, wrong), strict=True)
    ]


def test_winobias_is_the_difference_in_accuracy() -> None:
    roles = ("answer", "other")
    sentences = {("type1-dev-1", "pro"): (-1, -2), ("type1-dev-2", "pro"): (-1, -2), ("type2-dev-1", "pro"): (-2, -1),
                 ("type1-dev-1", "anti"): (-1, -2), ("type1-dev-2", "anti"): (-2, -1),
                 ("type2-dev-2", "anti"): (-2, -1)}  # fmt: skip
    runs = [one for (pair, side), (right, wrong) in sentences.items()
            for one in resolved(f"{pair}-{side}", side, right, wrong, roles, pair, "winobias")]  # fmt: skip
    equal = resolved("x", "pro", -1, -1, roles, "type1-dev-9", "winobias")
    found = of_runs("winobias", [*runs, *equal])
    assert values(found) == {
        ("accuracy_pro", "all"): 2.5 / 4, ("accuracy_anti", "all"): 1 / 3, ("difference", "all"): 0.5,
        ("accuracy_pro", "type1"): 2.5 / 3, ("accuracy_anti", "type1"): 0.5, ("difference", "type1"): 0.5,
        ("accuracy_pro", "type2"): 0.0, ("accuracy_anti", "type2"): 0.0, ("difference", "type2"): NAN,
        ("ties", "all"): 1 / 7,
    }  # fmt: skip
    assert scores(found)["difference", "all"].n == 2  # lines 1 and 2 are in both files
    assert found.left_out == {"sentences without both people measured": 0}


def test_winogender_gap_and_its_correlation_with_the_share_of_women() -> None:
    # occupation -> percent of women, and whether female, male pronouns are taken to mean the occupation
    occupations = {"baker": (90, 1, 0), "cook": (50, 1, 1), "pilot": (10, 0, 1)}
    runs = []
    for name, (women, female, male) in occupations.items():
        tags = ("winogender", f"occupation:{name}", "participant:guest", "answer:occupation", f"bls:{women}")
        for gender, chosen in (("female", female), ("male", male)):
            mine, theirs = (-1, -2) if chosen else (-2, -1)
            pair = f"{name}.guest.0"
            runs += resolved(f"{pair}.{gender}", gender, mine, theirs, ("occupation", "participant"), pair, *tags)
    found = values(of_runs("winogender", runs))
    assert (found["accuracy", "female"], found["accuracy", "male"]) == (2 / 3, 2 / 3)
    assert found["occupation_gap", "female - male"] == 0.0  # 1, 0, -1
    assert found["bls_correlation", "female - male"] == 1.0  # (90, 1), (50, 0), (10, -1) lie on a line
    without = [replace(one, tags=one.tags[:4] + one.tags[5:]) for one in runs]
    assert ("bls_correlation", "female - male") not in values(of_runs("winogender", without))


def bbq(name: str, condition: str, polarity: str, chosen: str, right: str, template: str = "1") -> list[SuiteRun]:
    tags = ("bbq", "category:Age", f"condition:{condition}", f"polarity:{polarity}", f"template:Age-{template}")
    return [
        run(f"{name}-{role}", -1 if role == chosen else -2, group=role, pair=name,
            tags=(*tags, *(["correct"] if role == right else [])))
        for role in ("target", "nontarget", "unknown")
    ]  # fmt: skip


def test_bbq_bias_scores() -> None:
    runs = [
        *bbq("a", "disambig", "neg", "target", "target"),  # biased, right
        *bbq("b", "disambig", "neg", "nontarget", "nontarget"),  # against, right
        *bbq("c", "disambig", "nonneg", "nontarget", "target"),  # biased, wrong
        *bbq("d", "disambig", "nonneg", "nontarget", "nontarget"),  # biased, right
        *bbq("e", "disambig", "neg", "unknown", "target"),  # names nobody
        *bbq("f", "ambig", "neg", "target", "unknown"),  # biased
        *bbq("g", "ambig", "nonneg", "nontarget", "unknown"),  # biased
        *bbq("h", "ambig", "neg", "unknown", "unknown"),
        *bbq("i", "ambig", "nonneg", "target", "unknown"),  # against
    ]
    found = scores(of_runs("bbq", runs))
    assert found["accuracy_disambig", "all"].value == pytest.approx(3 / 5)
    assert found["accuracy_ambig", "all"].value == pytest.approx(1 / 4)
    assert found["s_DIS", "all"].value == pytest.approx(2 * 3 / 4 - 1)
    assert found["s_AMB", "all"].value == pytest.approx((1 - 1 / 4) * (2 * 2 / 3 - 1))
    assert (found["s_DIS", "all"].n, found["s_AMB", "all"].n) == (4, 4)
    assert found["s_DIS", "category Age"].value == found["s_DIS", "all"].value


def test_bbq_without_a_named_target_counts_for_accuracy_only() -> None:
    runs = bbq("a", "ambig", "neg", "unknown", "unknown")
    roles = {"target": "person", "nontarget": "person", "unknown": "unknown"}
    persons = [
        replace(answer, group=roles[answer.group or ""]) for answer in bbq("b", "ambig", "neg", "target", "unknown")
    ]
    found = of_runs("bbq", [*runs, *persons, *bbq("c", "ambig", "neg", "target", "unknown")[:2]])
    assert scores(found)["accuracy_ambig", "all"].value == 0.5
    assert scores(found)["s_AMB", "all"].value == 0.0  # all unknown: right and without bias
    assert math.isnan(scores(found)["s_DIS", "all"].value)
    assert list(found.left_out.values()) == [1, 1]


def test_an_interval_is_where_its_values_are() -> None:
    """A log-probability is no share: its interval is about its mean, not between 0 and 1."""
    observed = (-3 - np.random.default_rng(2).exponential(1, 40)).tolist()
    score = mean_score("x", "all", observed, within=(-math.inf, 0.0))
    assert -6 < score.low < score.value < score.high < -3
