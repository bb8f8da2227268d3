"""Tests of answers: what is asked of a prompt, and what planted answers give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from headscope.analysis.blackbox.abstention import abstention
from headscope.analysis.blackbox.answer_tests import checked, normalised, questions, states, wordings
from headscope.analysis.blackbox.answers import Answer, Question
from headscope.analysis.blackbox.settings import Settings
from headscope.analysis.probes.edits import surface_changes
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ProbeResult

ASKED = Settings(samples=3, tests=True, max_tokens=12)


class Planted:
    """Answers each question by a rule, and counts."""

    def __init__(self, rule: Callable[[Question], Answer]) -> None:
        self.rule, self.asked = rule, list[Question]()

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        self.asked += questions
        return [self.rule(question) for question in questions]


def found_by(prompt: Prompt, rule: Callable[[Question], Answer], *others: Prompt) -> dict[str, ProbeResult]:
    return {item.probe: item for item in checked(Planted(rule), prompt, ASKED, others).findings}


def shares(found: ProbeResult, by: str) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {}
    for row in found.evidence["again"]:
        rows.setdefault(row["kind"], []).append(row[by])
    return rows


def test_every_question_is_known_before_the_first_call() -> None:
    prompt = Prompt("p", "The capital of France is", " Paris")
    asker = Planted(lambda question: Answer(" Paris."))
    checked(asker, prompt, ASKED, ())
    assert asker.asked == questions(prompt, ASKED)
    assert len(set(asker.asked)) == len(asker.asked) == 1 + len(surface_changes(prompt.text)) + 3 + 4


def test_surface_changes_ask_the_same_in_other_words() -> None:
    changed = surface_changes("What is the sum of 3 apples that are not red and 2.5 pears, as no one said")
    assert changed["contraction"].startswith("What's the sum")
    assert "three apples" in changed["number"]
    assert "2.5" in changed["number"]
    assert "no one" in changed["number"]
    assert set(surface_changes("Two and")) == {"polite opening", "plain opening"}
    assert surface_changes("We are not twelve")["contraction"] == "We aren't twelve"
    assert "number" not in surface_changes("He counted to 7")  # the end is where the answer begins
    assert surface_changes("  ") == {}


def test_a_model_that_always_says_the_same_is_consistent() -> None:
    found = found_by(Prompt("p", "The capital of France is", " Paris"), lambda question: Answer(" Paris. It is old."))
    assert found["answer_consistency"].score == found["answer_invariance"].score == 1.0
    assert found["target_stated"].score == 1.0
    assert found["target_stated"].label == "right"
    assert found["abstention"].score == 0.0
    assert found["abstention"].evidence["mean_logprob"] is None


def test_other_words_of_one_meaning_are_told_from_other_answers() -> None:
    """Samples say the same in other words; what is asked otherwise gets another answer, and so does one edit."""

    def rule(question: Question) -> Answer:
        if question.temperature:
            return Answer(" Lima, a large city on the coast.")
        return Answer(" Lima." if question.text.strip() == "The capital of Peru is" else " Quito.")

    other = Prompt("q", "Peru's capital city is", group="paraphrase 2", pair_id="peru")
    found = found_by(Prompt("p", "The capital of Peru is", group="paraphrase 1", pair_id="peru"), rule, other)
    same, meaning = (shares(found["answer_consistency"], by) for by in ("same", "meaning"))
    assert same["draw"] == [False] * 3
    assert meaning["draw"] == [True] * 3
    assert not any(same["surface"] + meaning["surface"])
    assert same["wording"] == [False]
    assert found["answer_consistency"].score == 0.0
    assert found["answer_consistency"].evidence["again"][-1]["of"] == "q"
    assert found["answer_invariance"].score == pytest.approx(1 / 4)  # the leading space is read as before
    assert "target_stated" not in found


def test_wordings_are_those_of_the_detector() -> None:
    prompts = [
        Prompt(f"{pair}{i}", f"{pair} {i}", group=f"paraphrase {i}", pair_id=pair) for pair in "ab" for i in (1, 2, 3)
    ]
    prompts += [Prompt("c", "c", group="forward", pair_id="a")]
    found = wordings(prompts)
    assert {one: [other.id for other in others] for one, others in found.items()} == {
        "a1": ["a2", "a3"], "a2": ["a1", "a3"], "a3": ["a1", "a2"],
        "b1": ["b2", "b3"], "b2": ["b1", "b3"], "b3": ["b1", "b2"],
    }  # fmt: skip


def test_answers_are_compared_without_case_marks_and_articles() -> None:
    assert normalised(" The answer: “Paris”.\nQuestion: next") == normalised("answer paris") == "answer paris"
    assert states(" It is the city of New  York.", " New York")
    assert not states(" Parisian food", " Paris")
    assert not states("", " Paris")


@pytest.mark.parametrize(
    "answer",
    [
        " I don't know who that is.", "I’m not sure.", "As an AI, I cannot predict the future.", " Nobody knows that.",
        "Zorvania is a fictional country.", "There is no eighth day.", "\n I do not have access to real-time data.",
        "That place does not exist.", "The date has not yet been announced.", "Unknown",
        "It isn't a real country; no such place.",
    ],
)  # fmt: skip
def test_wordings_of_abstention(answer: str) -> None:
    span = abstention(answer)
    assert span is not None
    assert answer[slice(*span)].strip()


@pytest.mark.parametrize(
    "answer", [" Lisbon.", "", "He was born in Bonn in 1770.", " Paris.\nI don't know.", "Nothing."]
)
def test_answers_that_do_not_abstain(answer: str) -> None:
    assert abstention(answer) is None


def test_an_abstention_is_kept_with_its_words_and_its_probability() -> None:
    answer = Answer(" I do not know.", (" I", " do", " not", " know."), (-0.5, -0.1, -0.3, -0.1))
    prompt = Prompt("p", "Question: Who? Answer:", group="unanswerable", pair_id="who")
    found = found_by(prompt, lambda question: answer)["abstention"]
    assert (found.score, found.label) == (1.0, "abstains")
    assert found.evidence["wording"] == "do not know"
    assert answer.text[slice(*found.evidence["span"])] == "do not know"
    assert found.evidence["mean_logprob"] == pytest.approx(-0.25)
    assert (found.evidence["pair"], found.evidence["group"]) == ("who", "unanswerable")
