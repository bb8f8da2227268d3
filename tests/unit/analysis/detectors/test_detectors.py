"""Failure detectors: each by hand, and all of them over a stored experiment on both databases."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from headscope.analysis.detectors.case import Case
from headscope.analysis.detectors.repetition_loop import looped
from headscope.analysis.probes.edits import harmless_edits
from headscope.analysis.registry import DETECTORS
from headscope.analysis.types.findings import PASSED, ProbeResult


def said(name: str, *cases: Case) -> dict[str, ProbeResult]:
    return {item.run_id: item.result for item in DETECTORS[name].load()(cases)}


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_names_itself_and_judges_nothing_it_cannot(name: str) -> None:
    bare = said(name, Case("1", "text"))
    assert all(result.probe == name for result in bare.values())
    assert name == "context_overflow" or not bare
    assert not said(name)


def test_confident_wrong() -> None:
    case = Case(
        "1", "The capital of France is", target=" Paris", next_token=" London", next_token_prob=0.8, target_rank=3
    )
    found = said(
        "confident_wrong", case, replace(case, run_id="2", target_rank=1), replace(case, run_id="3", group="a")
    )
    assert (found["1"].label, found["1"].score) == ("high", 0.8)
    assert (found["2"].label, found["2"].score) == (PASSED, 0.0)
    assert "3" not in found
    assert found["1"].evidence == {"says": " London", "target": " Paris", "rank": 3}


def test_negation_and_agreement_need_the_easy_half_right() -> None:
    for name, easy, hard in (
        ("negation_ignored", "affirmative", "negative"),
        ("agreement_broken", "congruent", "incongruent"),
    ):
        first = Case("1", "easy", pair_id="p", group=easy, margin=3.0)
        second = Case("2", "hard", pair_id="p", group=hard, margin=-2.5)
        found = said(name, first, second)
        assert list(found) == ["2"]
        assert (found["2"].label, found["2"].score) == ("high", 2.5)
        assert said(name, first, replace(second, margin=1.0))["2"].label == PASSED
        assert said(name, replace(first, margin=-1.0), second) == {}
        assert said(name, first, replace(second, margin=math.nan)) == {}


def test_an_irrelevant_sentence_costs_margin_or_the_answer() -> None:
    plain = Case("1", "alone", pair_id="p", group="plain", margin=3.0, target_rank=1, next_token=" a")
    kept = replace(plain, run_id="2", text="after", group="distracted", margin=2.5)
    for after, score, label in (
        (kept, 0.5, PASSED),
        (replace(kept, margin=4.0), 0.0, PASSED),
        (replace(kept, margin=1.5), 1.5, "low"),
        (replace(kept, margin=0.5), 2.5, "low"),  # the answer stayed: no more than low
        (replace(kept, margin=-1.5), 4.5, "high"),
        (replace(kept, margin=0.5, target_rank=2, next_token=" b"), 2.5, "medium"),
        (replace(kept, target_rank=2, next_token=" b"), 1.0, "low"),
    ):
        found = said("irrelevant_context", plain, after)
        assert list(found) == ["2"]
        assert (found["2"].score, found["2"].label) == (score, label)
        assert (found["2"].evidence["says"], found["2"].evidence["plain_run"]) == (after.next_token, "1")
    undecided = replace(plain, margin=0.25, target_rank=3)
    assert said("irrelevant_context", undecided, replace(kept, margin=-0.25, target_rank=3))["2"].label == "low"
    assert said("irrelevant_context", replace(plain, margin=-1.0), kept) == {}


def test_a_relation_may_be_lost_in_either_direction() -> None:
    forward = Case("1", "The capital of A is", " B", " C", pair_id="p", group="forward", margin=3.0)
    reverse = Case("2", "The country of B is", " A", " D", pair_id="p", group="reversed", margin=-0.6)
    found = said("reversed_relation", forward, reverse)
    assert list(found) == ["2"]
    assert (found["2"].score, found["2"].label) == (0.6, "medium")
    assert found["2"].evidence["known"] == "The capital of A is"
    other = said("reversed_relation", replace(forward, margin=-2.0), replace(reverse, margin=1.0))
    assert {key: result.label for key, result in other.items()} == {"1": "high"}
    both = said("reversed_relation", forward, replace(reverse, margin=1.0))
    assert {key: result.label for key, result in both.items()} == {"1": PASSED, "2": PASSED}
    assert said("reversed_relation", replace(forward, margin=-1.0), reverse) == {}


def test_inconsistent_wordings() -> None:
    cases = [Case(str(i), "t", pair_id="p", group=f"paraphrase {i}", next_token=token) for i, token in enumerate("aab")]
    found = said("inconsistent", *cases)
    assert [found[key].score for key in "012"] == [0.5, 0.5, 1.0]
    assert found["2"].label == "high"


@pytest.mark.parametrize(
    ("text", "length", "phrase"),
    [
        ("a b c d e f g h", 0, ""),
        ("x y a b a b a b", 6, "a b"),
        ("no no no no no no no no", 8, "no"),
        ("a b c a b c a b c a", 10, "a b c"),
        ("a b a b x a b c d e", 0, ""),
    ],
)
def test_loops(text: str, length: int, phrase: str) -> None:
    found, words = looped(text.split())
    assert (found, " ".join(words)) == (length, phrase)


def test_texts_and_probes() -> None:
    case = Case(
        "1",
        "Hello",
        continuation="so it goes " * 5,
        toxicity={("prompt", "toxic"): 0.1, ("continuation", "toxic"): 0.95},
    )
    assert said("repetition_loop", case)["1"].score == 1.0
    assert said("toxic_continuation", case)["1"].label == "high"
    assert (
        said("toxic_continuation", replace(case, toxicity={("prompt", "toxic"): 0.9, ("continuation", "toxic"): 1.0}))
        == {}
    )
    sampled = ("bad", "worse")
    probes = {"sampled_toxicity": (0.8, {"continuations": list(sampled), "scores": [0.3, 0.8]})}
    found = said("toxic_continuation", Case("1", "t", toxicity={("prompt", "toxic"): 0.1}, probes=probes))
    assert found["1"].evidence["continuation"] == "worse"
    edits = {"edits": [{"edit": "typo", "changed": True}, {"edit": "case", "changed": False}]}
    assert said("harmless_edit", Case("1", "t", probes={"harmless_edits": (0.5, edits)}))["1"].label == "medium"
    unsure = Case("1", "t", target=" a", target_rank=2, next_token_prob=0.9, probes={"self_consistency": (0.2, {})})
    assert said("self_contradiction", unsure)["1"].score == pytest.approx(0.8)
    assert said("overconfidence", unsure)["1"].score == pytest.approx(0.7)
    assert said("context_overflow", Case("1", "t", error_kind="too_long"))["1"].label == "high"


def test_harmless_edits_leave_the_end_alone() -> None:
    text = "The capital of France is"
    edits = harmless_edits(text)
    assert edits["typo"] == "The caiptal of France is"
    assert edits["first letter's case"] == "the capital of France is"
    assert edits["double space"] == "The  capital of France is"
    assert all(edited.endswith("France is") for edited in edits.values())
    assert all(edited != "" for edited in harmless_edits("").values())
