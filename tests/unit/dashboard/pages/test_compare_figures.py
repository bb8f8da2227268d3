from __future__ import annotations

import numpy as np
import pytest

from headscope.analysis.alignment import word_spans
from headscope.analysis.attribution.results import word_rule
from headscope.analysis.types import TokenizedText, TokenTrace
from headscope.dashboard.pages.compare import numbers as compare
from headscope.dashboard.pages.compare.candidates import candidates_view
from headscope.dashboard.pages.run.tokens import grouped
from tests.run_samples import T, attribution


def tokenized(pieces: list[str]) -> TokenizedText:
    text = "".join(pieces)
    ends = np.cumsum([len(piece) for piece in pieces])
    spans = np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1).astype(np.int32)
    starts = [start for start, _ in word_spans(text)]
    words = np.array([np.searchsorted(starts, start, side="right") - 1 for start, _ in spans], dtype=np.int32)
    ids = np.arange(len(pieces), dtype=np.int32)
    return TokenizedText(text, ids, tuple(pieces), spans, words, np.zeros(len(pieces), dtype=np.bool_))


def trace(tokens: TokenizedText, candidates: list[tuple[int, str, float]]) -> TokenTrace:
    n, k = len(tokens), len(candidates)
    topk = np.full((n, k), -9.0, dtype=np.float32)
    topk[-1] = np.log([prob for _, _, prob in candidates])
    ids = np.zeros((n, k), dtype=np.int32)
    ids[-1] = [token for token, _, _ in candidates]
    texts = (*(("x",) * k for _ in range(n - 1)), tuple(text for _, text, _ in candidates))
    nothing = np.full(n, np.nan, dtype=np.float32)
    return TokenTrace(tokens, nothing, np.full(n, -1, np.int32), nothing, ids, topk, texts, 1.0)


def causal(n: int, seed: int = 0) -> np.ndarray:
    weights = np.tril(np.random.default_rng(seed).random((n, n)) + 0.01)
    return weights / weights.sum(axis=1, keepdims=True)


def test_two_tokenizers_of_one_text_meet_in_the_smallest_common_groups() -> None:
    rows = compare.units(tokenized(["un", "believ", "able", " story"]), tokenized(["unbel", "ievable", " sto", "ry"]))
    assert [(row.a, row.b, row.kind, row.label) for row in rows] == [
        ((0, 3), (0, 2), "equal", "unbelievable"),
        ((3, 4), (2, 4), "equal", " story"),
    ]


def test_surprisal_of_aligned_units_adds_up_to_the_same_total() -> None:
    a, b = tokenized(["The", " un", "believ", "able"]), tokenized(["The", " unbel", "ievable"])
    rows = compare.units(a, b)
    logprobs_a = np.array([np.nan, -1.0, -2.0, -4.0], dtype=np.float32)
    bits = compare.surprisal_bits(logprobs_a, [row.a for row in rows])
    assert np.isnan(bits[0])  # the first token has no surprisal, and stays unmeasured
    assert bits[1] == pytest.approx(7.0 / np.log(2))
    assert np.nansum(bits) == pytest.approx(-np.nansum(logprobs_a) / np.log(2))


def test_a_group_with_an_unmeasured_token_is_unmeasured() -> None:
    sums = compare.group_sums(np.array([np.nan, 2.0, 3.0], dtype=np.float32), [(0, 2), (2, 3), (3, 3)])
    assert np.isnan(sums[0])
    assert sums[1] == 3.0
    assert np.isnan(sums[2])


def test_pooled_attention_by_hand() -> None:
    weights = np.array([[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.5, 0.3, 0.2]])
    pooled = compare.pool_attention(weights, [(0, 1), (1, 3)])
    assert pooled == pytest.approx(np.array([[1.0, 0.0], [0.375, 0.625]]))


def test_every_half_widens_to_the_number_it_is() -> None:
    halves = np.arange(0x10000, dtype=np.uint16).view(np.float16)
    for some in (
        halves[: compare.NOT_FINITE],
        halves,
    ):  # as weights are, and all others
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(compare.widened(some), some.astype(np.float32))
    assert compare.widened(np.array([1.5])).dtype == np.float64


def test_change_of_every_head_by_hand() -> None:
    a = np.array([[1.0, 0.0], [0.25, 0.75]], dtype=np.float16)
    b = np.array([[1.0, 0.0], [0.75, 0.25]], dtype=np.float16)
    unlike = np.full((2, 2), np.nan, dtype=np.float16)
    single, whole = [(0, 1), (1, 2)], [(0, 2)]
    change = compare.attention_changes(np.stack([[a, a], [b, unlike]]), np.stack([[a, b], [b, b]]), single, single)
    np.testing.assert_allclose(change, [[0.0, 0.25], [0.0, np.nan]])  # queries: 0 and 0.5 of their weight
    assert compare.attention_changes(a[None, None], b[None, None], whole, whole) == pytest.approx(0.0)


def test_pooled_rows_add_up_to_one_for_every_head() -> None:
    weights = np.stack([causal(6, seed) for seed in range(4)]).reshape(2, 2, 6, 6)
    pooled = compare.pool_attention(weights, [(0, 2), (2, 3), (3, 6)])
    assert pooled.shape == (2, 2, 3, 3)
    assert pooled.sum(axis=-1) == pytest.approx(np.ones((2, 2, 3)))


def test_a_unit_that_one_side_lacks_is_not_measured_there() -> None:
    pooled = compare.pool_attention(causal(3), [(0, 1), (1, 1), (1, 3)])
    assert np.isnan(pooled[1]).all()
    assert np.isnan(pooled[:, 1]).all()
    assert pooled[2, [0, 2]].sum() == pytest.approx(1.0)


def test_attention_change_is_half_the_moved_weight() -> None:
    a = np.array([[1.0, 0.0], [0.2, 0.8]])
    b = np.array([[1.0, 0.0], [0.7, 0.3]])
    assert compare.attention_change(a, b) == pytest.approx(0.25)  # queries: 0 and 0.5
    assert compare.attention_change(a, a) == 0.0


def test_attention_on_a_key_the_other_side_lacks_counts_as_moved() -> None:
    ranges_a, ranges_b = [(0, 1), (1, 2), (2, 3)], [(0, 1), (1, 1), (1, 2)]
    a = compare.pool_attention(np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0.0, 1.0, 0.0]]), ranges_a)
    b = compare.pool_attention(np.array([[1.0, 0], [0.0, 1.0]]), ranges_b)
    assert compare.attention_change(a, b) == pytest.approx((0.0 + 1.0) / 2)


def test_attention_change_without_a_common_query_is_unmeasured() -> None:
    a = compare.pool_attention(np.ones((1, 1)), [(0, 1), (1, 1)])
    b = compare.pool_attention(np.ones((1, 1)), [(0, 0), (0, 1)])
    assert np.isnan(compare.attention_change(a, b))


def test_top_heads_skip_unmeasured_ones() -> None:
    change = np.array([[0.1, np.nan, 0.3], [0.9, 0.2, 0.0]])
    assert compare.top_heads(change, 2) == ((1, 0, 0.9), (0, 2, 0.3))


def test_candidates_of_one_tokenizer_are_matched_by_id() -> None:
    tokens = tokenized(["a", " b"])
    a = trace(tokens, [(7, " he", 0.5), (8, " she", 0.3)])
    b = trace(tokens, [(8, " she", 0.6), (9, " they", 0.1)])
    rows = {row.text: row for row in compare.candidate_union(a, b, same_tokenizer=True)}
    assert list(rows) == [" she", " he", " they"]
    assert rows[" she"].difference == pytest.approx(-0.3)
    assert (rows[" she"].rank_a, rows[" she"].rank_b) == (2, 1)
    assert np.isnan(rows[" he"].prob_b)
    assert rows[" he"].bound_b == pytest.approx(0.1)
    assert rows[" he"].rank_b is None


@pytest.mark.parametrize(
    ("prob_a", "prob_b", "said"),
    [(0.7, np.nan, "≥ +69.00 pp"), (np.nan, 0.7, "≤ −69.00 pp"), (np.nan, 0.002, "−0.20 to +0.80 pp")],
)
def test_a_difference_known_only_in_part_is_a_bound(prob_a: float, prob_b: float, said: str) -> None:
    row = compare.Candidate(" word", prob_a, prob_b, bound_a=0.01, bound_b=0.01, rank_a=None, rank_b=None)
    assert said in str(candidates_view([row], everything=True, tokenizers="same"))


def test_candidates_of_two_tokenizers_are_matched_by_text_and_added_up() -> None:
    tokens = tokenized(["a", " b"])
    a = trace(tokens, [(1, "\ufffd", 0.2), (2, "\ufffd", 0.1), (3, " x", 0.05)])
    b = trace(tokens, [(40, " x", 0.4), (1, " y", 0.3)])
    rows = {row.text: row for row in compare.candidate_union(a, b, same_tokenizer=False)}
    assert rows["\ufffd"].prob_a == pytest.approx(0.3)
    assert rows["\ufffd"].rank_a == 1
    assert rows[" x"].difference == pytest.approx(-0.35)


def test_shares_add_up_to_one_and_keep_their_signs() -> None:
    result = compare.shares(np.array([1.0, -3.0, np.nan]))
    assert result[:2] == pytest.approx([0.25, -0.75])
    assert np.isnan(result[2])
    assert np.isnan(compare.shares(np.zeros(2))).all()


def test_unchanged_stretches_are_folded() -> None:
    changed = [False] * 5 + [True] + [False] * 2 + [True]
    assert compare.with_gaps(changed) == (compare.Gap(0, 4), 4, 5, 6, 7, 8)
    assert compare.with_gaps([False] * 4) == (compare.Gap(0, 4),)
    assert compare.with_gaps([False] * 2) == (0, 1)


def test_a_replaced_word_counts_as_changed_though_nothing_was_measured() -> None:
    rows = compare.units(tokenized(["The", " nurse", " sat"]), tokenized(["The", " doctor", " sat"]))
    assert [row.label for row in rows] == ["The", " nurse →  doctor", " sat"]
    a, nothing = np.array([np.nan, np.nan, 0.05]), np.zeros(3)
    assert compare.changed_units(rows, a, np.array([np.nan, np.nan, 0.0]), 0.1) == (False, True, False)
    assert compare.changed_units(rows, a, nothing, 0.1) == (True, True, False)  # a number against none is no agreement
    assert compare.changed_units(rows, nothing, nothing + 0.2, 0.1) == (True, True, True)


def test_shared_scale() -> None:
    assert compare.largest(np.array([1.0, -5.0]), np.array([np.nan, 2.0])) == 5.0
    assert compare.largest(np.array([np.nan]), np.array([])) == 0.0


def test_a_words_gradient_norm_is_that_of_its_tokens_together_not_their_sum() -> None:
    ranges = [(0, 2), (2, 3), (3, 3)]
    values = np.array([3.0, 4.0, 4.5], dtype=np.float32)
    np.testing.assert_allclose(compare.group_scores(values, ranges, "norm"), [5.0, 4.5, np.nan])
    np.testing.assert_allclose(compare.group_scores(values, ranges, "sum"), [7.0, 4.5, np.nan])
    np.testing.assert_allclose(compare.group_scores(values, ranges, "largest"), [4.0, 4.5, np.nan])
    for rule in ("norm", "sum", "largest"):
        np.testing.assert_allclose(grouped(values, [0, 2], rule), compare.group_scores(values, ranges[:2], rule))


def test_word_rules_follow_what_a_score_is() -> None:
    rules = {method: word_rule(attribution(method, [1.0] * T, signed=False))
             for method in ("saliency", "smoothgrad", "attention_raw", "attention_flow")}  # fmt: skip
    assert rules == {"saliency": "norm", "smoothgrad": "norm", "attention_raw": "sum", "attention_flow": "largest"}
    assert word_rule(attribution("saliency", [1.0] * T, signed=False, params={"norm": "l1"})) == "sum"
    assert word_rule(attribution("integrated_gradients", [1.0] * T, signed=True)) == "sum"
