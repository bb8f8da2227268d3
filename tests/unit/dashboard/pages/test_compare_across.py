"""Up to twenty runs at once: words aligned across tokenizers, every measure against a hand calculation, the link."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dash.development.base_component import Component

from headscope.analysis.types import Attribution
from headscope.analysis.types.outcome import Outcome
from headscope.dashboard.links import MOST_COMPARED
from headscope.dashboard.pages.compare import across_numbers as figures
from headscope.dashboard.pages.compare.across import across_actions, across_view
from headscope.dashboard.pages.compare.cards import pickers_view
from headscope.dashboard.pages.compare.pair import attribution
from headscope.dashboard.pages.compare.query import CompareQuery, letter
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.runs.view import compare_href
from headscope.storage.rows import ArtifactRow, RunDetail
from tests.compare_runs import Runs, run
from tests.page_parts import text_of
from tests.unit.dashboard.pages.test_compare_figures import tokenized

A = run("a", ("The", " un", "believ", "able", " cat"))
B = run("b", ("The", " unbel", "ievable", " cat"), model=replace(A.model, tokenizer_sha256="t2"))
C = run("c", ("The", " dog"))


def drawn(children: Any, name: str = "values") -> Any:
    """An array `[run, word]` of the map that is drawn."""
    view = next(
        json.loads(text) for item in _all(children) if (text := getattr(item, "data-compare-map", None)) is not None
    )
    values = np.frombuffer(b64decode(view[name]), dtype="<f4").astype(float)
    return values.reshape(len(view["rows"]), len(view["columns"]))


def shown(query: CompareQuery, *runs: RunDetail, store: Any = None) -> Any:
    return across_view(RecentRuns(store or Runs(*runs)), query, runs)


def test_words_of_the_first_run_meet_the_tokens_that_cover_them() -> None:
    assert A.trace is not None
    assert B.trace is not None
    assert C.trace is not None
    ranges, words = figures.word_ranges(A.trace)
    assert words == ("The", " unbelievable", " cat")
    assert figures.matched(A.trace, B.trace, ranges) == [(0, 1), (1, 3), (3, 4)]
    assert figures.matched(A.trace, C.trace, ranges)[0] == (0, 1)


def test_a_word_that_a_run_lacks_is_empty() -> None:
    assert A.trace is not None
    longer = run("d", ("The", " cat"))
    assert longer.trace is not None
    ranges, _ = figures.word_ranges(A.trace)
    assert figures.matched(A.trace, longer.trace, ranges) == [(0, 1), (0, 0), (1, 2)]


def test_surprisal_is_summed_over_the_word_and_the_difference_is_from_a() -> None:
    query = CompareQuery(across="surprisal")
    values = drawn(shown(query, A, B))
    assert np.isnan(values[:, 0]).all()
    np.testing.assert_allclose(values[0, 1:], np.array([1 + 2 + 3, 4]) / np.log(2), rtol=1e-6)
    np.testing.assert_allclose(values[1, 1:], np.array([1 + 2, 3]) / np.log(2), rtol=1e-6)
    minus = drawn(shown(replace(query, minus=True), A, B))
    np.testing.assert_allclose(minus[:, 1:], (values - values[0])[:, 1:], rtol=1e-6)
    nats = drawn(shown(replace(query, unit="nats"), A, B))
    assert nats[0, 2] == pytest.approx(4)


def test_divergence_compares_what_is_expected_after_the_word() -> None:
    """B's last distribution is (.9 he, .1 she), A's (.5, .25): known outcomes exactly, the rest of A one lump."""
    assert B.trace is not None
    topk = B.trace.topk_logprobs.copy()
    topk[-1] = np.log([0.9, 0.1])
    other = replace(B, trace=replace(B.trace, topk_logprobs=topk))
    view = shown(CompareQuery(), A, other)
    values, high, shared = (drawn(view, name) for name in ("values", "high", "shared"))
    np.testing.assert_allclose(values[0], 0, atol=1e-12)
    np.testing.assert_allclose(values[1, :2], 0, atol=1e-7)
    terms = [(0.5, 0.9), (0.25, 0.1), (0.25, 0.0)]
    expected = sum(
        0.5 * x * np.log2(2 * x / (p + q)) for p, q in terms for x in (p, q) if x > 0
    )  # fmt: skip
    assert values[1, 2] == pytest.approx(expected, rel=1e-6)
    assert high[1, 2] >= values[1, 2]
    assert shared[1, 2] == pytest.approx((0.75 + 1.0) / 2)  # he and she are known on both sides
    assert "matched by their text" in text_of(shown(CompareQuery(), A, other))
    assert "matched by their text" not in text_of(shown(CompareQuery(), A, C))


def test_attributions_are_shares_summed_over_words_and_a_run_without_the_method_is_empty() -> None:
    without = replace(C, attributions=())
    values = drawn(shown(CompareQuery(across="attribution"), A, without))
    scores = np.arange(5) - 0.5
    np.testing.assert_allclose(values[0], np.array([scores[0], scores[1:4].sum(), scores[4]]) / np.abs(scores).sum())
    assert np.isnan(values[1]).all()


def test_scores_that_did_not_converge_are_named() -> None:
    unsure = replace(B, attributions=tuple(replace(one, outcome=Outcome(False)) for one in B.attributions))
    query = CompareQuery(across="attribution")
    said = text_of(shown(query, A, unsure))
    assert "Not converged: B  " in said
    assert "Small differences mean nothing there." in said
    assert "ot converged" not in text_of(shown(query, A, B))


def test_a_method_over_layers_is_reduced_to_tokens_and_one_over_heads_is_not_offered() -> None:
    layered = Attribution("attention_x_gradient", "logprob", " he", None, np.ones((2, 3, 5), np.float32),
                          ("layer", "head", "position"), True, -1.0, float("nan"), 0.0, {})  # fmt: skip
    heads = replace(layered, method="head_ablation", scores=np.ones((2, 3), np.float32), axes=("layer", "head"))
    both = replace(A, attributions=(layered, heads))
    reduced = attribution(both, "attention_x_gradient")
    assert reduced is not None
    assert reduced.scores.tolist() == [6.0] * 5
    assert "head ablation" not in text_of(across_actions(CompareQuery(across="attribution"), (both, C)))
    options = [
        item for item in _all(across_actions(CompareQuery(across="attribution"), (both, C))) if hasattr(item, "options")
    ]
    assert [option["value"] for option in options[0].options] == ["attention_x_gradient", "input_x_gradient"]


def test_attention_is_what_the_last_token_reads_of_one_head_or_of_all() -> None:
    rng = np.random.default_rng(0)
    weights = rng.random((2, 3, 5, 5)).astype(np.float16)

    class Attending(Runs):
        def attention(self, run_id: str) -> Any:
            return weights if run_id == "a" else None

    kept = ArtifactRow("attention", "k", weights.shape, "float16", "full-f16", weights.nbytes, "sha")
    with_it = replace(A, artifacts=(kept,))
    store, last = Attending(with_it, C), weights[:, :, -1].astype(float)
    every = drawn(shown(CompareQuery(across="attention"), with_it, C, store=store))
    mean = last.mean((0, 1))
    np.testing.assert_allclose(every[0], [mean[0], mean[1:4].sum(), mean[4]])
    assert np.isnan(every[1]).all()
    one = drawn(shown(CompareQuery(across="attention", la=1, ha=2), with_it, C, store=store))
    np.testing.assert_allclose(one[0].astype(float), [last[1, 2, 0], last[1, 2, 1:4].sum(), last[1, 2, 4]])


def test_what_no_run_has_is_said() -> None:
    assert "No run has a number for attention here." in text_of(shown(CompareQuery(across="attention"), A, C))
    lost = replace(C, trace=None)
    assert "Run B" in text_of(shown(CompareQuery(), A, lost))


def test_the_link_holds_up_to_twenty_runs_each_once() -> None:
    ids = [f"r{i}" for i in range(40)]
    query = CompareQuery.from_query({"a": "r0", "b": "r1", "more": ",".join(["r0", "r2", *ids])})
    assert query.further[:2] == ("r2", "r3")
    assert len(query.further) == MOST_COMPARED - 2
    assert letter(MOST_COMPARED - 1) == "T"
    assert CompareQuery.from_query(query.to_query()) == query


def test_runs_that_are_gone_are_left_out_and_said() -> None:
    store = Runs(A, B, C)
    query = CompareQuery(a="a", b="b", more="c,gone")
    recent = RecentRuns(store)  # type: ignore[arg-type]
    assert [detail.row.id for detail in recent.many(query)] == ["a", "b", "c"]
    pickers = text_of(pickers_view(RecentRuns(store), query))  # type: ignore[arg-type]
    assert "There is no run gone" in pickers
    assert recent.many(CompareQuery(a="a")) == ()


def test_selected_runs_lead_to_their_comparison() -> None:
    assert compare_href(["x"]) == ""
    assert compare_href(["x", "y"]) == "/compare?a=x&b=y"
    assert compare_href(["x", "y", "z", "w"]) == "/compare?a=x&b=y&more=z,w"
    assert compare_href([str(i) for i in range(MOST_COMPARED + 1)]) == ""


def test_tokens_that_are_cut_across_a_words_border_match_nothing() -> None:
    tokens = tokenized(["The", " cat"])
    assert A.trace is not None
    glued = replace(A.trace, tokens=replace(tokenized(["The ca", "t"]), text=tokens.text))
    ranges, _ = figures.word_ranges(replace(A.trace, tokens=tokens))
    assert figures.matched(replace(A.trace, tokens=tokens), glued, ranges) == [(0, 0), (0, 0)]


def _all(root: Any) -> list[Component]:
    if isinstance(root, list | tuple):
        return [item for child in root for item in _all(child)]
    if not isinstance(root, Component):
        return []
    return [root, *_all(getattr(root, "children", None))]
