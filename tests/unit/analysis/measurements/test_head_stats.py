from __future__ import annotations

import numpy as np
import pytest
import torch

from headscope.analysis.interfaces import TokenBatch
from headscope.analysis.measurements.heads import head_summaries, repeat_masks
from headscope.analysis.types import HEAD_STATS


def batch_of(*rows: list[int]) -> TokenBatch:
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
    mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
    return TokenBatch((), ids, mask, lengths)


def one_head(pattern: list[list[float]]) -> list[torch.Tensor]:
    return [torch.tensor(pattern)[None, None]]


def test_a_perfect_induction_head_scores_one() -> None:
    # A B C A B C: query 3 (A) attends to 1 (what followed A), 4 to 2, 5 to 3
    pattern = torch.zeros(6, 6)
    pattern[torch.arange(6), torch.tensor([0, 0, 0, 1, 2, 3])] = 1.0
    found = head_summaries([pattern[None, None]], batch_of([7, 8, 9, 7, 8, 9]))[0]
    assert found.induction[0, 0] == pytest.approx(1.0)
    assert found.duplicate_token[0, 0] == pytest.approx(0.0)
    # queries 1..5 look back 1, 2, 2, 2, 2 tokens
    assert found.mean_distance[0, 0] == pytest.approx(9 / 5)
    assert found.entropy[0, 0] == pytest.approx(0.0)


def test_a_perfect_previous_token_head_and_a_sink_head() -> None:
    previous = torch.zeros(4, 4)
    previous[torch.arange(4), torch.tensor([0, 0, 1, 2])] = 1.0
    sink = torch.zeros(4, 4)
    sink[:, 0] = 1.0
    found = head_summaries([torch.stack([previous, sink])[None]], batch_of([1, 2, 3, 4]))[0]
    assert found.previous_token[0].tolist() == pytest.approx([1.0, 0.0])
    assert found.first_token[0].tolist() == pytest.approx([1 / 3, 1.0])
    assert found.mean_distance[0].tolist() == pytest.approx([1.0, 2.0])


def test_hand_computed_statistics() -> None:
    pattern = [[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.5, 0.2, 0.3]]
    found = head_summaries(one_head(pattern), batch_of([5, 6, 5]))[0]
    entropies = [-(0.25 * np.log(0.25) + 0.75 * np.log(0.75)), -sum(p * np.log(p) for p in (0.5, 0.2, 0.3))]
    assert found.entropy[0, 0] == pytest.approx(np.mean(entropies), rel=1e-5)
    assert found.entropy_normalised[0, 0] == pytest.approx(
        np.mean([entropies[0] / np.log(2), entropies[1] / np.log(3)]), rel=1e-5
    )
    assert found.mean_distance[0, 0] == pytest.approx((0.25 + (2 * 0.5 + 0.2)) / 2)
    assert found.previous_token[0, 0] == pytest.approx(0.2)  # query 1 has the sink before it
    assert found.first_token[0, 0] == pytest.approx((0.25 + 0.5) / 2)
    assert found.self_attention[0, 0] == pytest.approx((0.75 + 0.3) / 2)
    assert np.isnan(found.duplicate_token[0, 0])  # query 2 repeats the first token, the sink, and nothing else
    assert found.induction[0, 0] == pytest.approx(0.2)
    assert found.max_weight[0, 0] == pytest.approx((1.0 + 0.75 + 0.5) / 3)


def test_weight_on_the_sink_is_no_weight_on_the_previous_token_or_on_a_duplicate() -> None:
    # 5 6 5 6 5: token 0 repeats at 2 and 4, token 1 at 3
    pattern = torch.tensor([
        [1.0, 0.0, 0.0, 0.0, 0.0],
        [0.9, 0.1, 0.0, 0.0, 0.0],
        [0.5, 0.3, 0.2, 0.0, 0.0],
        [0.1, 0.4, 0.2, 0.3, 0.0],
        [0.4, 0.1, 0.25, 0.05, 0.2],
    ])  # fmt: skip
    found = head_summaries([pattern[None, None]], batch_of([5, 6, 5, 6, 5]))[0]
    assert found.previous_token[0, 0] == pytest.approx((0.3 + 0.2 + 0.05) / 3)
    assert found.duplicate_token[0, 0] == pytest.approx((0.4 + 0.25) / 2)  # query 3 on 1, query 4 on 2, none on 0
    assert found.induction[0, 0] == pytest.approx((0.3 + 0.2 + (0.1 + 0.05)) / 3)  # 2 on 1; 3 on 2; 4 on 1 and 3
    two = head_summaries(one_head([[1.0, 0.0], [0.9, 0.1]]), batch_of([5, 6]))[0]
    assert np.isnan(two.previous_token[0, 0])


def test_induction_over_chance_by_hand() -> None:
    # 5 6 5 6 5: query 2 has key 1, query 3 key 2, query 4 keys 1 and 3; uniform gives them 1/3, 1/4 and 2/5
    size = 5
    uniform = torch.ones(size, size).tril() / torch.arange(1, size + 1)[:, None]
    follows = torch.zeros(size, size)
    follows[torch.arange(size), torch.tensor([0, 0, 1, 2, 3])] = 1.0
    batch = batch_of([5, 6, 5, 6, 5])
    found = head_summaries([torch.stack([uniform, follows])[None]], batch)[0]
    chance = (1 / 3 + 1 / 4 + 2 / 5) / 3
    assert found.induction[0].tolist() == pytest.approx([chance, 1.0])
    assert found.induction_lift[0].tolist() == pytest.approx([1.0, 1 / chance])
    # two keys in sight, the query's own and the one before, which is what follows the earlier occurrence
    local = torch.ones(size, size, dtype=torch.bool).tril().triu(-1)
    near = (local.float() / local.sum(-1, keepdim=True))[None, None]
    found = head_summaries([near], batch, (local,))[0]
    assert (found.induction[0, 0], found.induction_lift[0, 0]) == pytest.approx((0.5, 1.0))
    # of 5 6 7 5 the follower of the first 5 is out of sight: weight 0, and nothing to compare it with
    out = torch.ones(4, 4, dtype=torch.bool).tril().triu(-1)
    found = head_summaries([(out.float() / out.sum(-1, keepdim=True))[None, None]], batch_of([5, 6, 7, 5]), (out,))[0]
    assert found.induction[0, 0] == 0
    assert np.isnan(found.induction_lift[0, 0])


def test_what_a_learned_sink_takes_is_missing_and_entropy_is_of_the_rest() -> None:
    pattern = [[0.5, 0.0, 0.0], [0.2, 0.2, 0.0], [0.1, 0.2, 0.1]]
    found = head_summaries(one_head(pattern), batch_of([5, 6, 7]))[0]
    assert found.missing_mass[0, 0] == pytest.approx((0.6 + 0.6) / 2)
    entropies = [np.log(2), -(0.25 * np.log(0.25) * 2 + 0.5 * np.log(0.5))]
    assert found.entropy[0, 0] == pytest.approx(np.mean(entropies), rel=1e-5)
    assert found.entropy_normalised[0, 0] == pytest.approx((1 + entropies[1] / np.log(3)) / 2, rel=1e-5)
    assert found.mean_distance[0, 0] == pytest.approx((0.5 + (2 * 0.25 + 0.5)) / 2)
    assert found.previous_token[0, 0] == pytest.approx(0.2)  # a share of the whole
    assert found.first_token[0, 0] == pytest.approx((0.2 + 0.1) / 2)
    assert found.max_weight[0, 0] == pytest.approx((0.5 + 0.2 + 0.2) / 3)
    swallowed = head_summaries(one_head([[0.0, 0.0], [0.0, 0.0]]), batch_of([5, 6]))[0]
    assert swallowed.missing_mass[0, 0] == 1
    assert np.isfinite([swallowed.entropy[0, 0], swallowed.mean_distance[0, 0]]).all()


def test_a_local_layer_is_measured_by_the_keys_it_sees() -> None:
    size, window = 6, 2
    whole = torch.ones(size, size, dtype=torch.bool).tril()
    local = whole & torch.ones(size, size, dtype=torch.bool).triu(1 - window)
    uniform = [(mask.float() / mask.sum(-1, keepdim=True))[None, None] for mask in (local, whole, local)]
    found = head_summaries(uniform, batch_of([1, 2, 3, 4, 5, 6]), (local, whole, local))[0]
    assert found.entropy_normalised[:, 0].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert found.entropy[:, 0].tolist() == pytest.approx(
        [np.log(2), np.mean(np.log(np.arange(2, 7))), np.log(2)], rel=1e-5
    )
    blind = torch.eye(3, dtype=torch.bool)
    assert np.isnan(head_summaries([torch.eye(3)[None, None]], batch_of([1, 2, 3]), (blind,))[0].entropy_normalised)


def test_padding_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    long, short = [3, 4, 3, 5, 4, 3], [3, 4, 3]
    wide = torch.softmax(torch.randn(2, 4, 6, 6, generator=generator) + torch.full((6, 6), -1e9).triu(1), -1)
    together = head_summaries([wide, wide], batch_of(long, short))
    alone = head_summaries([wide[1:, :, :3, :3]] * 2, batch_of(short))[0]
    for name in HEAD_STATS:
        np.testing.assert_allclose(getattr(together[1], name), getattr(alone, name), rtol=1e-5, err_msg=name)
        assert getattr(together[0], name).shape == (2, 4)


def test_unmeasured_is_nan() -> None:
    single = head_summaries(one_head([[1.0]]), batch_of([9]))[0]
    assert single.max_weight[0, 0] == 1.0
    assert all(np.isnan(getattr(single, name)[0, 0]) for name in HEAD_STATS if name != "max_weight")
    distinct = head_summaries(one_head([[1.0, 0.0], [0.5, 0.5]]), batch_of([1, 2]))[0]
    assert np.isnan(distinct.duplicate_token[0, 0])
    assert np.isnan(distinct.induction[0, 0])


def test_repeat_masks_against_loops() -> None:
    ids = [4, 4, 5, 4, 6, 5, 4]
    duplicate, induction = (mask[0] for mask in repeat_masks(torch.tensor([ids])))
    for query in range(len(ids)):
        for key in range(len(ids)):
            earlier = key < query
            assert bool(duplicate[query, key]) == (earlier and key > 0 and ids[key] == ids[query])
            assert bool(induction[query, key]) == (earlier and key > 0 and ids[key - 1] == ids[query])


def test_layers_in_several_chunks_agree_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = [torch.softmax(torch.randn(1, 2, 5, 5), -1).tril() for _ in range(5)]
    whole = head_summaries(patterns, batch_of([1, 2, 1, 2, 3]))[0]
    monkeypatch.setattr("headscope.analysis.measurements.heads.CHUNK_ELEMENTS", 100)
    parts = head_summaries(patterns, batch_of([1, 2, 1, 2, 3]))[0]
    for name in HEAD_STATS:
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-5)
