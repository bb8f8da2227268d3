"""Unsupported specificity: which words are details, and how sure the model was of each, by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from headscope.analysis.interfaces import TextBackend
from headscope.analysis.probes.unsupported_specificity import UnsupportedSpecificity
from headscope.analysis.types import Continuation, GenerationParams, Prompt
from headscope.analysis.types.findings import ProbeResult
from tests.factories import make_result


def probed(prompt: str, tokens: Sequence[tuple[str, float]] | None, below: float = 0.5) -> ProbeResult:
    said = None
    if tokens is not None:
        logprobs = np.log(np.array([p for _, p in tokens], dtype=np.float32))
        said = Continuation("".join(text for text, _ in tokens), np.zeros(len(tokens), np.int32),
                            tuple(text for text, _ in tokens), logprobs, GenerationParams(8, 0.0, 1.0, 0))  # fmt: skip
    result = replace(make_result(Prompt("p", prompt)), continuation=said)
    ((found,),) = UnsupportedSpecificity().score(cast(TextBackend, None), [result], {"below": below})
    assert isinstance(found, ProbeResult)
    return found


def test_a_word_is_as_sure_as_its_least_likely_token() -> None:
    tokens = [(" by", 0.9), (" Qu", 0.6), ("illen", 0.1), (",", 0.2), (" in", 0.8), (" 19", 0.9), ("84", 0.7)]
    found = probed("It was written", tokens)
    assert [(word, pytest.approx(p, abs=1e-4)) for word, p in found.evidence["details"]] == [
        ("Quillen", 0.1), ("1984", 0.7)
    ]  # fmt: skip
    assert found.score == 0.5
    text = "".join(token for token, _ in tokens)
    assert [text[a:b] for a, b in found.evidence["spans"]] == ["Quillen"]
    others = (-math.log(0.9) - math.log(0.8)) / 2
    assert found.evidence["excess"] == pytest.approx((-math.log(0.1) - math.log(0.7)) / 2 - others, abs=1e-5)
    assert probed("It was written", tokens, 0.75).score == 1.0
    assert probed("It was written", tokens, 0.05).score == 0.0


@pytest.mark.parametrize(
    ("prompt", "said", "details"),
    [
        ("The capital is", " Paris. The city is old.", ["Paris"]),  # "The" begins a sentence
        ("Who rules Peru? Answer:", " Peru has Anna as its head.", ["Anna"]),  # Peru was given
        ("He met", " Dr. Bell and I, at five.", ["Dr", "Bell", "five"]),
        ("It costs", " 3.50 on 2026-11-29, no one knows", ["3.50", "2026-11-29"]),
        ("In 1984", " it was 1984 and then 1985", ["1985"]),
    ],
)
def test_details_are_numbers_and_names_that_were_not_given(prompt: str, said: str, details: list[str]) -> None:
    found = probed(prompt, [(said, 0.3)])
    assert [word for word, _ in found.evidence["details"]] == details
    assert found.score == 1.0


@pytest.mark.parametrize(
    ("tokens", "why"),
    [
        (None, "--max-new-tokens"),
        ([(" cold.", 0.4)], "no number and no name"),
        ([(" Rome", math.nan)], "no probabilit"),
    ],
)
def test_what_cannot_be_measured_says_why(tokens: list[tuple[str, float]] | None, why: str) -> None:
    found = probed("It is", tokens)
    assert math.isnan(found.score)
    assert why in found.evidence["error"]
