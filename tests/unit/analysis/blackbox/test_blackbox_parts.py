"""Black box: cutting prompts, planning questions, and Shapley values against the definition."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headscope.analysis.blackbox import units
from headscope.analysis.blackbox.answers import Answer, Question
from headscope.analysis.blackbox.distances import edit_distances, embedding_distances
from headscope.analysis.blackbox.permutations import Plan
from headscope.analysis.blackbox.study import Settings, most_questions, study, target_logprob


@pytest.mark.parametrize("kind", units.KINDS)
@given(text=st.text(max_size=60))
def test_parts_cover_the_text_in_order(kind: str, text: str) -> None:
    spans = units.spans(text, kind)
    assert "".join(text[start:end] for start, end in spans) == text
    tokens = units.tokenized(text, kind)
    assert "".join(tokens.texts) == text
    assert (np.diff(tokens.words) >= 0).all()


def test_parts_of_each_kind() -> None:
    text = "It rains. Don't go, Anna!"
    cut = {kind: [text[a:b] for a, b in units.spans(text, kind)] for kind in units.KINDS}
    assert cut["sentence"] == ["It rains.", " Don't go, Anna!"]
    assert cut["word"] == ["It", " rains.", " Don't", " go,", " Anna!"]
    assert cut["token"][:6] == ["It", " rains", ".", " Don", "'", "t"]


def test_what_is_left_is_a_prompt_again() -> None:
    text = "The cat sat"
    parts = units.spans(text, "word")
    keep = np.array([False, True, True])
    assert units.rebuilt(text, parts, keep, "delete") == "cat sat"
    assert units.rebuilt(text, parts, keep, "substitute") == "___ cat sat"
    assert units.rebuilt(text, parts, ~keep, "delete") == "The"
    assert units.rebuilt(text, parts, np.zeros(3, dtype=np.bool_), "delete") == "\n"
    assert units.rebuilt(text, parts, np.ones(3, dtype=np.bool_), "delete") == text


def by_definition(value: dict[frozenset[int], float], n: int) -> np.ndarray:
    """The mean gain over all n! orders."""
    gains = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        there: frozenset[int] = frozenset()
        for part in order:
            gains[part] += value[there | {part}] - value[there]
            there |= {part}
    return gains / len(orders)


def members(row: np.ndarray) -> frozenset[int]:
    return frozenset(np.flatnonzero(row).tolist())


@pytest.mark.parametrize("n", [1, 2, 4])
def test_all_coalitions_give_shapley_values_by_their_definition(n: int) -> None:
    plan = Plan.of(n, 1000, 0, noisy=False)
    assert plan.exact
    values = np.random.default_rng(n).normal(size=len(plan.coalitions))
    game = {members(row): float(value) for row, value in zip(plan.coalitions, values, strict=True)}
    np.testing.assert_allclose(plan.importance(values).score, by_definition(game, n), atol=1e-12)


def test_sampled_orders_come_close_and_say_how_close() -> None:
    random = np.random.default_rng(3)
    n = 7
    worth = {members(row): float(random.normal() + 2 * row[0] + row[1] * row[2])
             for row in Plan.of(n, 1000, 0, noisy=False).coalitions}  # fmt: skip
    truth = by_definition(worth, n)
    plan = Plan.of(n, 60, 0, noisy=True)
    assert not plan.exact
    found = plan.importance(np.array([worth[members(row)] for row in plan.coalitions]))
    assert found.score.sum() == pytest.approx(worth[frozenset(range(n))] - worth[frozenset()])  # efficiency
    np.testing.assert_allclose(found.score, truth, atol=0.4)
    inside = (found.low <= truth) & (truth <= found.high)
    assert inside.mean() >= 5 / 7
    assert found.rank[0] == 1
    assert (found.rank_low <= found.rank).all()
    assert (found.rank <= found.rank_high).all()


def test_an_additive_game_needs_one_pair_of_orders() -> None:
    plan = Plan.of(9, 2, 0, noisy=False)
    weights = np.arange(9.0)
    np.testing.assert_allclose(plan.importance(plan.coalitions @ weights).score, weights)
    assert np.isnan(plan.importance(plan.coalitions @ weights).low).all()  # one pair has no interval


def test_pure_noise_has_no_certain_ranks() -> None:
    plan = Plan.of(8, 20, 0, noisy=True)
    found = plan.importance(np.random.default_rng(0).normal(size=len(plan.coalitions)))
    assert (found.rank_high - found.rank_low).mean() > 3


class Counting:
    """Answers by a rule, and counts."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self, questions: list[Question]) -> list[Answer]:
        self.asked += len(set(questions))
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> Answer:
        says = " yes" if "key" in question.text else " no"
        logprobs = {" yes": -0.1, " no": -3.0} if says == " yes" else {" no": -0.1, " yes": -3.0}
        return Answer(says, (says,), (-0.1,), logprobs)


@pytest.mark.parametrize("text", ["a key there", " ".join(["word"] * 20 + ["key"] + ["word"] * 9), "key"])
@pytest.mark.parametrize("unit", ["auto", "token", "sentence"])
def test_the_part_that_matters_is_found_within_the_calls_announced(text: str, unit: str) -> None:
    asker = Counting()
    found = study(asker, text, " yes", Settings(unit=unit, permutations=4))  # type: ignore[arg-type]
    assert asker.asked <= most_questions(text, Settings(unit=unit, permutations=4))
    logprob = next(one for one in found.scores if one.measure == "logprob")
    top = found.parts[int(np.argmax(logprob.importance.score))]
    assert "key" in text[slice(*top)]
    assert logprob.importance.score.sum() == pytest.approx(logprob.full - logprob.nothing)


def test_the_target_among_the_candidates() -> None:
    first = {" Paris": -0.5, " P": -2.0, " the": -1.0}
    assert target_logprob(first, " Paris") == (-0.5, False)
    assert target_logprob(first, " Parisian") == (-0.5, False)
    assert target_logprob(first, " Rome") == (-2.0, True)  # at most as likely as the last one told


def test_distances_between_answers() -> None:
    np.testing.assert_allclose(edit_distances(["abc", "abd", "", "xyz"], "abc"), [0, 1 / 3, 1, 1])
    same, near, far, blank = embedding_distances(
        ["The dog is asleep.", "The puppy is sleeping.", "Interest rates rose.", ""], "The dog is asleep."
    )
    assert same == pytest.approx(0, abs=1e-5)
    assert same < near < 0.5 < far
    assert np.isnan(blank)
