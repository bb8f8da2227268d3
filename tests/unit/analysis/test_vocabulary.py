from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from headscope.analysis import vocabulary
from headscope.analysis.vocabulary import in_blocks, logit_blocks

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend


@pytest.mark.parametrize(("rows_of_a_chunk", "rows_of_a_block"), [(5, 2), (3, 10), (100, 1), (1, 1)])
def test_rows_over_the_vocabulary_come_whole_and_in_order_however_they_are_cut(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch, rows_of_a_chunk: int, rows_of_a_block: int
) -> None:
    vocab, states = tiny_gpt2.info.vocab_size, torch.randn(13, tiny_gpt2.info.d_model)
    monkeypatch.setattr(vocabulary, "CHUNK_ELEMENTS", rows_of_a_chunk * vocab)
    monkeypatch.setattr(vocabulary, "BLOCK_ELEMENTS", rows_of_a_block * vocab)
    with torch.no_grad():
        expected = tiny_gpt2.unembed(states).float()
    seen = []
    for span, block in logit_blocks(tiny_gpt2, states):
        assert len(block) <= min(rows_of_a_chunk, rows_of_a_block)
        assert not block.requires_grad
        torch.testing.assert_close(block, expected[span])
        seen += range(span.start, span.stop)
    assert seen == list(range(13))


def test_no_rows_are_no_blocks_and_a_row_larger_than_a_block_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "BLOCK_ELEMENTS", 4)
    assert [len(block) for block in in_blocks(torch.zeros(0, 7))] in ([], [0])
    assert [len(block) for block in in_blocks(torch.zeros(3, 7))] == [1, 1, 1]


def test_blocks_are_views_of_the_rows() -> None:
    rows = torch.zeros(50, 50_000)
    blocks = in_blocks(rows)
    assert len(blocks) > 1
    blocks[-1][-1] = 1
    assert rows[-1].eq(1).all()
