"""Coarse to fine on a game with known weights, by hand; and against full occlusion where the passes suffice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from headscope.analysis.attribution.coarse_to_fine import Search, search
from headscope.analysis.attribution.masking import Bools, units_of
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.occlusion import Occlusion
from headscope.analysis.sentences import sentence_spans, sentences_of
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

WEIGHTS = np.array([9.0, 1.0, 1.0, 0.0, 4.0, 2.0, -3.0, 0.5])
"""What each token adds. Token 0 is never removed; sentences 1-3 and 4-7, words 1, 2-3, 4-5, 6, 7."""
KINDS = ("sentence", "word", "token")


def masks(*ranges: tuple[int, int]) -> list[Bools]:
    at = np.arange(len(WEIGHTS))
    return [(at >= low) & (at <= high) for low, high in ranges]


def measured(passes: int, kinds: Sequence[str] = KINDS) -> Search:
    every = {
        "sentence": masks((1, 3), (4, 7)),
        "word": masks((1, 1), (2, 3), (4, 5), (6, 6), (7, 7)),
        "token": masks(*((n, n) for n in range(1, 8))),
    }
    one = Search({kind: every[kind] for kind in kinds}, np.arange(8) == 0, float(WEIGHTS.sum()), passes)
    search({0: one}, kinds, lambda owners, keep: np.array([WEIGHTS[mask].sum() for mask in keep]))
    assert one.passes <= passes
    return one


@pytest.mark.parametrize(
    ("passes", "scores", "used"),
    [
        (1, [None, None, None, None, 0.875, 0.875, 0.875, 0.875], 1),  # sentences from the last one back
        (2, [None, 2 / 3, 2 / 3, 2 / 3, 0.875, 0.875, 0.875, 0.875], 2),
        (4, [None, 1, 0.5, 0.5, 0.875, 0.875, 0.875, 0.875], 4),  # three words do not fit, two do
        (5, [None, 2 / 3, 2 / 3, 2 / 3, 3, 3, -3, 0.5], 5),  # the sentence of most effect comes first
        (8, [None, 1, 0.5, 0.5, 3, 3, -3, 0.5], 7),  # no token pair fits into the one pass that is left
        (9, [None, 1, 0.5, 0.5, 4, 2, -3, 0.5], 9),
        (99, [None, 1, 1, 0, 4, 2, -3, 0.5], 11),
    ],
)
def test_passes_go_where_the_effect_is(passes: int, scores: list[float | None], used: int) -> None:
    one = measured(passes)
    expected = [np.nan if score is None else score for score in scores]
    np.testing.assert_allclose(one.scores(), np.array(expected, dtype=np.float32), rtol=1e-6)
    assert one.passes == used


def test_it_says_which_tokens_have_whose_score() -> None:
    assert measured(9).facts() == {
        "sentences measured": "2 of 2",
        "words measured": "5 of 5",
        "tokens measured": "5 of 7",
        "scored by word": "tokens 2-3",
        "scored by token": "tokens 1, 4-7",
    }
    coarse = measured(9, KINDS[:2])
    assert coarse.passes == 7
    assert coarse.scores()[4] == 3


TEXTS = ("One fox ran. The unbelievable cat sat. She thinks", "The doors")


@pytest.mark.parametrize("masking", ["mean", "delete"])
@pytest.mark.parametrize("unit", ["token", "word", "sentence"])
def test_enough_passes_give_full_occlusion(tiny_gpt2: HFCausalBackend, unit: str, masking: str) -> None:
    work = Workspace(tiny_gpt2, [tiny_gpt2.tokenize(text) for text in TEXTS], Capture())
    rows = zip(work.texts, work.next_logprobs, strict=True)
    targets = [tiny_gpt2.resolve_target(text, None, None, row) for text, row in rows]
    each = Occlusion().attribute(work, targets, {"unit": unit, "masking": masking})
    plan = {"unit": unit, "masking": masking, "plan": "coarse_to_fine", "passes": 999}
    for one, other in zip(Occlusion().attribute(work, targets, plan), each, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4, atol=1e-5)
        assert one.outcome.not_explained == other.outcome.not_explained
    (few,) = Occlusion().attribute(work, targets, {**plan, "passes": 1})[:1]
    assert few.outcome.steps == 1
    assert "did not reach every sentence" in few.outcome.not_explained


def test_sentences_hold_whole_words_and_units_of_the_prompt(tiny_gpt2: HFCausalBackend) -> None:
    text = tiny_gpt2.tokenize(TEXTS[0])
    labels = sentences_of(text)
    assert labels.max() == 2
    assert (np.diff(labels) >= 0).all()
    assert all(len(set(labels[text.words == word])) == 1 for word in set(text.words.tolist()))
    units = units_of(text, len(text) - 1, "sentence")
    assert len(units) == 3
    assert np.sum(units, axis=0).tolist() == [0] + [1] * (len(text) - 1)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It rains. Don't go, Anna!", ["It rains.", " Don't go, Anna!"]),
        ("Dr. Smith met J. K. Lee. They left at 5 p.m. in June.", ["Dr. Smith met J. K. Lee.",
                                                                   " They left at 5 p.m. in June."]),
        ("“Stop!” he said. (Yes.) No", ["“Stop!” he said.", " (Yes.)", " No"]),
        ("a\n\nb\nc", ["a\n\n", "b\n", "c"]),
        ("漢字。次！終", ["漢字。", "次！", "終"]),
        ("It is 3.5 m, e.g. here... and so on.", ["It is 3.5 m, e.g. here... and so on."]),
        ("\n x", ["\n x"]),
        ("", []),
    ],
)  # fmt: skip
def test_sentences_end_by_simple_rules(text: str, parts: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text)] == parts
