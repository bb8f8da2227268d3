"""The logit lens of two runs: differences by hand, one scale, and every reason why there is none."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headscope.analysis.types import LayerSummary, LensTable, MissingPart, Target
from headscope.dashboard.pages.compare.lens import lens_view
from headscope.dashboard.pages.compare.lens_numbers import lens_tokens, scales
from headscope.dashboard.pages.compare.pair import Pair
from tests.compare_runs import run
from tests.page_parts import text_of
from tests.unit.dashboard.pages.test_compare_page import TARGET


def layers(probs: list[float], ranks: list[float], foil: tuple[list[float], list[float]] | None = None) -> LayerSummary:
    n = len(probs)
    nothing = np.full(n, np.nan, np.float32)
    foil_probs, foil_ranks = (np.array(v, np.float32) for v in foil) if foil else (nothing, nothing)
    return LayerSummary(
        nothing, nothing, nothing, nothing, nothing, nothing, np.log(np.array(probs, np.float32)),
        np.array(ranks, np.float32), np.log(foil_probs), foil_ranks, np.full((n, 2), np.nan, np.float32),
    )  # fmt: skip


A = layers([0.125, 0.5], [100, 1], ([0.25, 0.125], [2, 4]))
B = layers([0.25, 0.125], [10, 2], ([0.25, 0.25], [2, 2]))


def lens(*tops: str) -> LensTable:
    size = (len(tops), 2)
    return LensTable(np.zeros(size, np.int32), np.ones(size, np.float32), tuple(("x", top) for top in tops),
                     np.zeros(size, np.float32))  # fmt: skip


def pair(a: LayerSummary | None = A, b: LayerSummary | None = B, **changes: Any) -> Pair:
    one = run("a", layers=a, lens=lens(" he", " Paris"), target=TARGET)
    return Pair(one, replace(run("b", layers=b, lens=lens(" a", " b"), target=TARGET), **changes))


def test_target_and_foil_by_hand() -> None:
    target, foil = lens_tokens((A, TARGET), (B, TARGET))
    assert (target.role, foil.role) == ("target", "foil")
    np.testing.assert_allclose(target.prob_difference, [0.125 - 0.25, 0.5 - 0.125])
    np.testing.assert_allclose(target.rank_ratio, [1.0, np.log10(0.5)], rtol=1e-6)  # 100 to 10, 1 to 2
    np.testing.assert_allclose(foil.prob_difference, [0.0, -0.125])
    assert scales((target, foil)) == pytest.approx((0.5, 100.0))


@pytest.mark.parametrize(
    ("b", "target", "words"),
    [
        (layers([0.5], [1]), TARGET, "A has 2 layers and B 1: layer by layer"),
        (B, replace(TARGET, text=" Lyon"), "The runs have another target each"),
        (B, None, "Run B has no target"),
    ],
)
def test_there_is_no_difference_between_what_does_not_match(b: LayerSummary, target: Target | None, words: str) -> None:
    found = lens_tokens((A, TARGET), (b, target))[0]
    assert words in found.apart
    assert found.prob_difference.size == found.rank_ratio.size == 0
    assert words in text_of(lens_view(Pair(run("a", layers=A, target=TARGET), run("b", layers=b, target=target))))


def test_the_card_has_the_arrays_and_the_same_numbers_as_text() -> None:
    view = lens_view(pair())
    assert view is not None
    sent = json.loads(getattr(view[0], "data-compare-lens"))
    probs = np.frombuffer(b64decode(sent["tokens"][0]["a"]["prob"]), dtype="<f4")
    np.testing.assert_allclose(probs, [0.125, 0.5], rtol=1e-6)
    assert sent["tops"] == [[" he", " Paris"], [" a", " b"]]
    assert (sent["top"], sent["rank"]) == pytest.approx((0.5, 100.0))
    assert "1 50.0 % 12.5 % +37.50 pp 1 2 −1" in text_of(view)
    assert "“␣Paris”" in text_of(view)


def test_what_was_not_measured_says_why() -> None:
    assert "Run B has no logit lens of target and foil: it was made without" in text_of(lens_view(pair(b=None)))
    stored = (MissingPart("layers", "not_applicable", "the model has no unembedding"),)
    assert "foil: the model has no unembedding." in text_of(lens_view(pair(b=None, missing=stored)))
    assert "Run B has no top token of each layer" in text_of(lens_view(pair(lens=None)))
    no_foil = layers([0.5, 0.5], [1, 1])
    bare = replace(TARGET, foil_text=None)
    both = Pair(run("a", layers=no_foil, target=bare), run("b", layers=no_foil, target=bare))
    assert "Neither run has a foil." in text_of(lens_view(both))
    neither = Pair(run("a", layers=no_foil), run("b", layers=no_foil))
    assert "Neither run has a target or a foil" in text_of(lens_view(neither))
    assert lens_view(Pair(run("a", trace=None), run("b"))) is None
