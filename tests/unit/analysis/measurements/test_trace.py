from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from headscope.analysis.interfaces import Capture
from headscope.analysis.measurements.trace import token_traces
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXTS = ("The quick fox found a small door", "One two", "She thinks that he thinks that the train is late")


def workspace(backend: HFCausalBackend, *texts: str) -> Workspace:
    return Workspace(backend, [backend.tokenize(text) for text in texts], Capture())


def reference_logprobs(backend: HFCausalBackend, ids: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        logits = backend.model(torch.tensor(ids[None].astype(np.int64))).logits[0]
    return torch.log_softmax(logits.double(), -1)


def test_every_number_against_a_loop_over_the_models_own_output(backend: HFCausalBackend) -> None:
    for trace in token_traces(workspace(backend, *TEXTS)):
        ids = trace.tokens.ids
        expected = reference_logprobs(backend, ids)
        assert np.isnan(trace.logprobs[0])
        assert np.isnan(trace.entropies[0])
        assert trace.ranks[0] == -1
        for t in range(1, len(ids)):
            row = expected[t - 1]
            assert trace.logprobs[t] == pytest.approx(float(row[ids[t]]), abs=1e-4)
            assert trace.ranks[t] == 1 + int((row > row[ids[t]]).sum())
            assert trace.entropies[t] == pytest.approx(float(-(row.exp() * row).sum()), abs=1e-4)
        for t in range(len(ids)):
            best = expected[t].sort(descending=True)
            np.testing.assert_allclose(trace.topk_logprobs[t], best.values[:20], atol=1e-4)
            assert trace.topk_texts[t] == tuple(backend.decode(trace.topk_ids[t].tolist()))
        assert trace.next_entropy == pytest.approx(float(-(expected[-1].exp() * expected[-1]).sum()), abs=1e-4)


def test_chunks_over_the_vocabulary_change_nothing(backend: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = token_traces(workspace(backend, *TEXTS))
    for module in ("workspace", "vocabulary"):
        monkeypatch.setattr(f"headscope.analysis.{module}.CHUNK_ELEMENTS", 3 * backend.info.vocab_size)
    for one, other in zip(whole, token_traces(workspace(backend, *TEXTS)), strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-5)
        np.testing.assert_array_equal(one.topk_ids, other.topk_ids)


def test_a_single_token_has_candidates_and_no_logprob(tiny_gpt2: HFCausalBackend) -> None:
    (trace,) = token_traces(workspace(tiny_gpt2, "a"))
    assert len(trace.tokens) == 1
    assert np.isnan(trace.logprobs).all()
    assert trace.topk_ids.shape == (1, 20)
    assert trace.next_entropy > 0
