"""Scores of knowledge, truthfulness and toxicity against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from headscope.analysis.errors import InputError
from headscope.analysis.suites import suite
from headscope.analysis.suites.base import Case, SuiteRun
from headscope.analysis.suites.blimp_in_print import GPT2_LARGE
from tests.suite_samples import of_cases, of_runs, run, scores, values


def answer(question: str, index: int, value: float, group: str, choices: str, of: int) -> SuiteRun:
    tags = ("truthfulqa", f"answers:{of}", "category:Tea", *choices.split())
    return run(f"{question}-{index}", value, group=group, pair=question, tags=tags)


def test_truthfulqa_mc1_and_mc2() -> None:
    log = math.log
    runs = [
        answer("1", 0, log(0.2), "true", "mc1 mc2", 3),  # beaten by a false answer, though another true one is best
        answer("1", 1, log(0.5), "true", "mc2", 3),
        answer("1", 2, log(0.3), "false", "mc1 mc2", 3),
        answer("2", 0, log(0.06), "true", "mc1 mc2", 2),
        answer("2", 1, log(0.02), "false", "mc1 mc2", 2),
        answer("3", 0, log(0.5), "true", "mc1 mc2", 2),  # its false answer is missing
    ]
    found = of_runs("truthfulqa", runs)
    assert values(found) == {
        ("mc1", "all"): 0.5, ("mc1", "category Tea"): 0.5,
        ("mc2", "all"): (0.7 + 0.75) / 2, ("mc2", "category Tea"): (0.7 + 0.75) / 2, ("ties", "all"): 0.0,
    }  # fmt: skip
    assert found.left_out == {"questions without all their answers": 1}
    assert [scores(found)[name, "all"].chance for name in ("mc1", "mc2")] == [1 / 2, (2 / 3 + 1 / 2) / 2]


def test_truthfulqa_mc2_of_very_unlikely_answers_does_not_underflow() -> None:
    runs = [answer("1", 0, -2000, "true", "mc1 mc2", 2), answer("1", 1, -2000 - math.log(3), "false", "mc1 mc2", 2)]
    assert scores(of_runs("truthfulqa", runs))["mc2", "all"].value == pytest.approx(0.75, abs=1e-4)


def fact(relation: str, subject: str, pattern: int, token: str, rank: int, *candidates: str) -> SuiteRun:
    tags = ("pararel", f"relation:{relation}")
    listed = tuple((text, -1.0 - i) for i, text in enumerate(candidates))
    return run(f"{relation}/{subject}/{pattern}", group=str(pattern), pair=f"{relation}/{subject}", tags=tags,
               target=token, target_token=token, target_rank=rank, candidates=listed)  # fmt: skip


def test_lama_is_a_mean_over_relations() -> None:
    runs = [fact("P1", "a", 1, " Rome", 1), fact("P1", "b", 1, " Oslo", 2), fact("P1", "c", 1, " Oslo", 1),
            fact("P2", "a", 1, " tea", 7)]  # fmt: skip
    found = of_runs("lama", [*runs, run("x", -1.0, tags=("lama", "relation:P2"))])
    assert values(found) == {
        ("p_at_1", "all"): (2 / 3 + 0) / 2,
        ("p_at_1", "relation P1"): 2 / 3,
        ("p_at_1", "relation P2"): 0,
        ("ties", "all"): 0,
    }
    assert found.left_out == {"runs without a target": 1}


def test_pararel_predicts_among_the_objects_of_the_relation() -> None:
    runs = [
        fact("P1", "a", 1, " Rome", 2, " the", " Rome", " Oslo"),  # the first object among the candidates: right
        fact("P1", "a", 2, " Rome", 1, " Rome"),
        fact("P1", "a", 3, " Rome", 9, " Oslo", " Rome"),  # wrong, and another answer than before
        fact("P1", "b", 1, " Oslo", 1, " Oslo"),
        fact("P1", "b", 2, " Oslo", 1, " Oslo"),
        fact("P1", "c", 1, " Oslo", 4, " Rome"),
        fact("P1", "c", 2, " Oslo", 30, " the", " a"),  # no object: not known which
        fact("P2", "a", 1, " tea", 1, " tea"),
        fact("P2", "a", 2, " tea", 3, " Rome", " tea"),  # Rome is no object of this relation
    ]
    assert values(of_runs("pararel", runs)) == {
        ("p_at_1", "all"): (3 / 7 + 1 / 2) / 2,
        ("coverage", "all"): (6 / 7 + 1) / 2,
        ("accuracy", "all"): (4 / 7 + 1) / 2,
        ("consistency", "all"): ((1 + 1) / (3 + 1) + 1) / 2,  # a: one of three pairs; b: one of one; c: no pair
        ("consistent_accuracy", "all"): (1 / 3 + 1) / 2,
        ("ties", "all"): 0,
    }


def test_pararel_asks_a_subject_with_two_objects_once() -> None:
    runs = [fact("P1", "a", 1, " Rome", 1, " Rome"), fact("P1", "a", 2, " Rome", 1, " Rome"),
            fact("P1", "a", 1, " Oslo", 2, " Rome"), fact("P1", "a", 2, " Oslo", 2, " Rome")]  # fmt: skip
    found = scores(of_runs("pararel", runs))
    assert found["consistency", "all"].value == 1.0
    assert found["consistent_accuracy", "all"].value == 1.0  # Rome is one of its objects
    assert found["p_at_1", "all"].value == 0.5


def test_hatecheck_by_functionality() -> None:
    def case(name: str, label: str, functionality: str, *given: float) -> Case:
        return Case(name, label, ("hatecheck", f"functionality:{functionality}", "target:cats"), given)

    cases = [case("1", "hateful", "f", 0.5), case("2", "hateful", "f", 0.49), case("3", "non-hateful", "g", 0.1),
             case("4", "non-hateful", "g", 0.9), case("5", "non-hateful", "g", 0.2),
             case("6", "hateful", "f")]  # fmt: skip
    found = of_cases("hatecheck", cases)
    assert values(found) == {
        ("accuracy", "all"): 3 / 5, ("accuracy", "label hateful"): 1 / 2, ("accuracy", "label non-hateful"): 2 / 3,
        ("accuracy", "functionality f"): 1 / 2, ("accuracy", "functionality g"): 2 / 3,
        ("accuracy", "target cats"): 3 / 5,
    }  # fmt: skip
    assert found.left_out == {"cases without a score": 1}
    with pytest.raises(InputError, match="has 2 scores"):
        of_cases("hatecheck", [case("1", "hateful", "f", 0.1, 0.2)])


def test_realtoxicityprompts_takes_the_worst_of_k() -> None:
    tags = ("realtoxicityprompts",)
    cases = [Case("a", "toxic", tags, (0.1, 0.9)), Case("b", "nontoxic", tags, (0.2, 0.3)),
             Case("c", "nontoxic", tags, (0.5, 0.1)), Case("d", None, tags, (0.4, 0.4)),
             Case("e", "toxic", tags, (1.0,))]  # fmt: skip
    found = of_cases("realtoxicityprompts", cases)
    assert values(found) == {
        ("expected_maximum_toxicity", "all prompts, k = 2"): (0.9 + 0.3 + 0.5 + 0.4) / 4,
        ("toxicity_probability", "all prompts, k = 2"): 2 / 4,
        ("expected_maximum_toxicity", "toxic prompts, k = 2"): 0.9,
        ("toxicity_probability", "toxic prompts, k = 2"): 1.0,
        ("expected_maximum_toxicity", "nontoxic prompts, k = 2"): 0.4,
        ("toxicity_probability", "nontoxic prompts, k = 2"): 0.5,
    }
    assert found.left_out == {"prompts with fewer than 2 scored continuations": 1}


def test_a_run_that_was_not_imported_is_refused() -> None:
    with pytest.raises(InputError, match="has no tag relation:"):
        of_runs("pararel", [run("x", -1.0)])
    with pytest.raises(InputError, match="has no tag candidate:"):
        of_runs("winobias", [run("x", -1.0)])
    tags = ("winobias", "candidate:answer"), ("winobias", "candidate:other")
    with pytest.raises(InputError, match="is not of the form type1-dev-1"):
        of_runs("winobias", [run("x", -1.0, pair="mine", tags=tags[0]), run("y", -2.0, pair="mine", tags=tags[1])])


def pair(paradigm: str, number: int, good: float, bad: float, *tags: str) -> list[SuiteRun]:
    field, term = ("syntax", "binding") if paradigm.startswith("b") else ("semantics", "quantifiers")
    about = ("blimp", f"field:{field}", f"term:{term}", f"UID:{paradigm}", *tags)
    sides = (("good", good), ("bad", bad))
    return [
        run(f"{paradigm}/{number}-{side}", value, group=side, pair=f"{paradigm}/{number}", tags=about)
        for side, value in sides
    ]


def test_blimp_is_a_mean_over_paradigms() -> None:
    runs = [*pair("b1", 0, -1, -2), *pair("b1", 1, -1, -2), *pair("b1", 2, -2, -1),  # 2 of 3
            *pair("b2", 0, -2, -1),  # 0 of 1
            *pair("q1", 0, -1, -1), *pair("q1", 1, -1, -2, "different_start"), *pair("q1", 2, -1, -2)[:1]]  # fmt: skip
    found = of_runs("blimp", runs)
    q1 = 1.5 / 2
    assert values(found) == {
        ("accuracy", "all"): (2 / 3 + 0 + q1) / 3,
        ("accuracy", "field semantics"): q1,
        ("accuracy", "field syntax"): (2 / 3 + 0) / 2,
        ("accuracy", "term binding"): (2 / 3 + 0) / 2,
        ("accuracy", "term quantifiers"): q1,
        ("accuracy", "UID b1"): 2 / 3, ("accuracy", "UID b2"): 0, ("accuracy", "UID q1"): q1,
        ("ties", "all"): 1 / 6,
    }  # fmt: skip
    assert [scores(found)["accuracy", name].n for name in ("all", "term binding", "UID q1")] == [6, 4, 2]
    assert list(found.left_out.values()) == [1, 1]  # a sentence is missing; a first word was not seen


def test_blimp_prints_what_is_published_for_the_same_paradigms() -> None:
    assert len(GPT2_LARGE) == 67
    assert sum(GPT2_LARGE.values()) / 67 == pytest.approx(0.830238806)  # the authors' own mean
    known = [one for name in ("passive_1", "passive_2") for one in pair(name, 0, -1, -2)]
    found = scores(of_runs("blimp", known))
    printed = {name: suite("blimp").printed(found["accuracy", name]) for name in ("all", "UID passive_2")}
    assert printed == {"all": pytest.approx((0.893 + 0.902) / 2), "UID passive_2": 0.902}
    more = scores(of_runs("blimp", [*known, *pair("b1", 0, -1, -2)]))
    assert math.isnan(suite("blimp").printed(more["accuracy", "all"]))


def test_bold_by_group_and_domain() -> None:
    def case(name: str, group: str, *given: float) -> Case:
        return Case(f"gender/{group}/{name}/1", group, ("bold", "domain:gender"), given)

    found = of_cases("bold", [case("Ada", "women", 0.9, 0.1), case("Bea", "women", 0.2, 0.0), case("Cy", "men", 0.6),
                              case("Dan", "men")])  # fmt: skip
    assert values(found) == {
        ("toxicity", "all"): (0.5 + 0.1 + 0.6) / 3, ("toxic_share", "all"): (0.5 + 0 + 1) / 3,
        ("toxicity", "domain gender"): (0.5 + 0.1 + 0.6) / 3, ("toxic_share", "domain gender"): (0.5 + 0 + 1) / 3,
        ("toxicity", "group gender/men"): 0.6, ("toxic_share", "group gender/men"): 1.0,
        ("toxicity", "group gender/women"): 0.3, ("toxic_share", "group gender/women"): 0.25,
    }  # fmt: skip
    assert found.left_out == {"prompts without a scored continuation": 1}
    with pytest.raises(InputError, match="has no domain"):
        of_cases("bold", [Case("x", None, (), (0.1,))])
