"""Black box: cutting prompts, planning questions, and Shapley values against the definition."""

from __future__ import annotations

import zlib
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headscope.analysis.blackbox import units
from headscope.analysis.blackbox.answers import KEPT, Answer, Question, kept
from headscope.analysis.blackbox.distances import edit_distances, embedding_distances
from headscope.analysis.blackbox.game import target_logprob, target_token
from headscope.analysis.blackbox.permutations import Plan
from headscope.analysis.blackbox.settings import Settings
from headscope.analysis.blackbox.study import most_questions, study
from headscope.analysis.blackbox.substitutes import stand_ins


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
    gone, blank = (stand_ins(text, parts, masking, {}) for masking in ("delete", "substitute"))
    assert units.rebuilt(text, parts, keep, gone) == "cat sat"
    assert units.rebuilt(text, parts, keep, blank) == "___ cat sat"
    assert units.rebuilt(text, parts, ~keep, gone) == "The"
    assert units.rebuilt(text, parts, np.zeros(3, dtype=np.bool_), gone) == "\n"
    assert units.rebuilt(text, parts, np.ones(3, dtype=np.bool_), gone) == text


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


def test_one_token_stands_for_the_target() -> None:
    first = {" Paris": -0.5, " P": -0.2, " the": -1.0, "Paris": -3.0}
    assert target_token([first], " Paris") == " Paris"  # the longest that begins it, of those the likeliest
    assert target_token([first], " Parisian") == " Paris"
    assert target_token([{" the": -1.0}, first], "Paris") == " Paris"
    assert target_token([first], " Rome") is None
    assert target_logprob(first, " Paris") == (-0.5, False)
    assert target_logprob({" A": -0.1, " the": -2.0}, " Africa") == (-2.0, True)  # " A" begins it, and is not it
    assert target_logprob(first, None) == (-3.0, True)  # at most as likely as the last one told


def test_of_a_whole_vocabulary_only_what_is_of_use_is_kept() -> None:
    told = {f" w{i}": -float(i) for i in range(3000)} | {" Pa": -5000.0, " Paris": -6000.0, " last": -9000.0}
    few = kept(Answer("x", first=told), " Paris").first
    assert few is not None
    assert len(few) == KEPT + 3
    assert few[" Paris"] == -6000
    assert min(few.values()) == -9000  # the bound for what is not told
    assert kept(Answer("x", first=told), "").first == {**dict(list(told.items())[:KEPT]), " last": -9000.0}
    short = Answer("x", first={" a": -1.0})
    assert kept(short, " Paris") is short


def test_what_is_settled_is_not_asked_any_further() -> None:
    text = "one two three four five six seven eight key ten eleven twelve"
    settings = Settings(unit="word", permutations=40)
    asked, everything = Counting(), Counting()
    found = study(asked, text, " yes", settings)
    whole = study(everything, text, " yes", replace(settings, early=False))
    assert whole.saved == 0
    assert found.saved == whole.coalitions - found.coalitions > 0
    assert everything.asked - asked.asked == found.saved
    assert found.scores[0].importance.settled
    assert found.findings[0].evidence["saved"] == found.saved


def test_ranks_that_stay_open_are_asked_for_to_the_end() -> None:
    class Noise(Counting):
        def _answer(self, question: Question) -> Answer:
            value = -float(np.random.default_rng(zlib.crc32(question.text.encode())).exponential())
            return Answer(" yes", (" yes",), (value,), {" yes": value})

    asker = Noise()
    settings = Settings(unit="word", permutations=16, edits=False, samples=0)
    found = study(asker, "one two three four five six seven eight nine ten", " yes", settings)
    assert not found.scores[0].importance.settled
    assert found.saved == 0
    assert asker.asked == found.coalitions  # nothing was asked twice, the whole prompt once


def test_shorter_plans_ask_what_the_longer_ones_ask() -> None:
    for n, orders in ((9, 24), (5, 24), (12, 8), (1, 8)):
        plan = Plan.of(n, orders, 0, noisy=False)
        before: set[bytes] = set()
        for shorter in plan.rounds():
            now = {row.tobytes() for row in shorter.coalitions}
            assert before <= now
            before = now
        assert shorter is plan


class Forceable(Counting):
    """Tells the target only where it is likely, and the log-probability of a token it was forced to say: of before the
    forcing (`honest`), or of after it."""

    def __init__(self, honest: bool = True, ids: bool = True) -> None:
        super().__init__()
        self.honest, self.ids = honest, ids

    def _answer(self, question: Question) -> Answer:
        value = -1.0 - 2 * ("key" not in question.text) - ("one" not in question.text)
        if question.force == 7:
            return Answer(" yes", (" yes",), (value if self.honest else 0.0,), {" so": -0.5})
        first = {" yes": value, " so": -0.5} if value > -3 else {" so": -0.5, " no": -2.0}
        return Answer(" so", (" so",), (-0.5,), first, ids={" yes": 7} if self.ids and " yes" in first else {})


def test_a_forced_target_tells_what_is_not_among_the_candidates() -> None:
    text, settings = "one two key four", Settings("word", early=False, edits=False, samples=0, forced=True)
    asker = Forceable()
    found = study(asker, text, " yes", settings)
    np.testing.assert_allclose(found.scores[0].importance.score, [1, 0, 2, 0])
    assert found.censored == 0
    assert found.findings[0].evidence["forced"] == 8 + 1  # without the key; and once where it was known
    assert asker.asked == 16 + 9 <= most_questions(text, settings)


@pytest.mark.parametrize("asker", [Forceable(honest=False), Forceable(ids=False)], ids=["of after", "no ids"])
def test_a_server_that_does_not_tell_a_forced_token_is_not_asked_on(asker: Forceable) -> None:
    settings = Settings("word", early=False, edits=False, samples=0, forced=True)
    found = study(asker, "one two key four", " yes", settings)
    assert found.censored == 8
    assert asker.asked == 16 + asker.ids
    plain = study(Forceable(), "one two key four", " yes", replace(settings, forced=False))
    np.testing.assert_allclose(found.scores[0].importance.score, plain.scores[0].importance.score)


def test_distances_between_answers() -> None:
    np.testing.assert_allclose(edit_distances(["abc", "abd", "", "xyz"], "abc"), [0, 1 / 3, 1, 1])
    same, near, far, blank = embedding_distances(
        ["The dog is asleep.", "The puppy is sleeping.", "Interest rates rose.", ""], "The dog is asleep."
    )
    assert same == pytest.approx(0, abs=1e-5)
    assert same < near < 0.5 < far
    assert np.isnan(blank)
