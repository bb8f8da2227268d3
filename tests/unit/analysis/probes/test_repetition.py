"""The repetition probe against counts by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.probes.repetition import Repetition
from headscope.analysis.types import Continuation, GenerationParams, RunResult
from headscope.analysis.types.findings import ProbeResult
from tests.factories import make_result


def probed(text: str | None, n: int = 2) -> ProbeResult:
    said = None
    if text is not None:
        said = Continuation(
            text, np.zeros(1, np.int32), ("x",), np.zeros(1, np.float32), GenerationParams(1, 0.0, 1.0, 0)
        )
    result: RunResult = replace(make_result(), continuation=said)
    (found,) = Repetition().score(cast(WhiteBoxBackend, None), [result], {"n": n})
    (finding,) = found
    assert isinstance(finding, ProbeResult)
    return finding


@pytest.mark.parametrize(
    ("text", "score", "marked"),
    [
        ("one two three four", 0.0, []),
        ("one two, One two", 1 / 3, ["One two"]),  # (one two) (two one) (one two)
        ("go on go on go on", 3 / 5, ["go on go on"]),  # (go on) (on go), each three and two times
        ("a b c a b x y a b", 2 / 8, ["a b", "a b"]),
        ("don't stop don't stop", 1 / 3, ["don't stop"]),
    ],
)
def test_score_and_spans_by_hand(text: str, score: float, marked: list[str]) -> None:
    found = probed(text)
    assert found.score == pytest.approx(score)
    assert [text[a:b] for a, b in found.evidence["spans"]] == marked


@pytest.mark.parametrize(("text", "why"), [(None, "--max-new-tokens"), ("two words", "2 words"), ("", "0 words")])
def test_what_cannot_be_measured_says_why(text: str | None, why: str) -> None:
    found = probed(text, n=4)
    assert math.isnan(found.score)
    assert why in found.evidence["error"]


@given(st.lists(st.sampled_from(["a", "b", "C", "ünï"]), min_size=1, max_size=40), st.integers(1, 4))
def test_marked_text_came_before(words: list[str], n: int) -> None:
    text = " ".join(words)
    found = probed(text, n)
    if math.isnan(found.score):
        assert len(words) < n
        return
    evidence: dict[str, Any] = dict(found.evidence)
    assert found.score == pytest.approx(1 - evidence["distinct"] / evidence["sequences"])
    assert (found.score > 0) == bool(evidence["spans"])
    for start, end in evidence["spans"]:
        again = " ".join(text[start:end].split()[:n]).casefold()
        assert again in text[: end - 1].casefold()
