from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from headscope.analysis.interfaces import Capture
from headscope.analysis.measurements.layers import layer_summaries
from headscope.analysis.measurements.lens import lens_tables
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXTS = ("The quick fox found a small door", "One two three", "a")


@pytest.fixture
def work(backend: HFCausalBackend) -> Workspace:
    return Workspace(backend, [backend.tokenize(text) for text in TEXTS], Capture())


def top_tokens(work: Workspace) -> list[Target]:
    """What is explained when nothing was given."""
    return [
        work.backend.resolve_target(text, None, None, row)
        for text, row in zip(work.texts, work.next_logprobs, strict=True)
    ]


def model_output(work: Workspace, index: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Log-probabilities `[T, V]` and hidden states from the model's own interface, one prompt alone."""
    ids = torch.tensor(work.texts[index].ids.astype(np.int64))[None]
    with torch.no_grad():
        output = work.backend.model(ids, output_hidden_states=True)
    return torch.log_softmax(output.logits[0], -1), [state[0] for state in output.hidden_states[1:]]


def test_the_last_layer_of_the_lens_is_the_models_output(work: Workspace) -> None:
    for index, (summary, table) in enumerate(
        zip(layer_summaries(work, top_tokens(work)), lens_tables(work), strict=True)
    ):
        expected, _ = model_output(work, index)
        assert summary.lens_prob[-1] == pytest.approx(float(expected[-1].max().exp()), rel=1e-4)
        assert summary.lens_rank[-1] == 1
        assert summary.kl_to_final[-1] == pytest.approx(0, abs=1e-5)
        np.testing.assert_array_equal(table.top_ids[-1], expected.argmax(-1))
        np.testing.assert_allclose(table.top_probs[-1], expected.max(-1).values.exp(), rtol=1e-4)
        np.testing.assert_allclose(table.entropies[-1], -(expected.exp() * expected).sum(-1), rtol=1e-4)


def test_earlier_layers_against_hidden_states_one_by_one(work: Workspace) -> None:
    summaries, tables = layer_summaries(work, top_tokens(work)), lens_tables(work)
    for index, (summary, table) in enumerate(zip(summaries, tables, strict=True)):
        expected, hidden = model_output(work, index)
        final, top = expected[-1], int(expected[-1].argmax())
        for layer in range(work.backend.info.n_layers - 1):  # the model reports the last one after its norm
            with torch.no_grad():
                lens = torch.log_softmax(work.backend.unembed(hidden[layer]), -1)
            np.testing.assert_array_equal(table.top_ids[layer], lens.argmax(-1))
            assert table.top_texts[layer] == tuple(work.backend.decode(table.top_ids[layer].tolist()))
            np.testing.assert_allclose(table.entropies[layer], -(lens.exp() * lens).sum(-1), rtol=1e-4)
            assert summary.lens_prob[layer] == pytest.approx(float(lens[-1, top].exp()), rel=1e-3)
            assert summary.lens_rank[layer] == 1 + int((lens[-1] > lens[-1, top]).sum())
            assert summary.kl_to_final[layer] == pytest.approx(
                float((final.exp() * (final - lens[-1])).sum()), rel=1e-3
            )
            np.testing.assert_allclose(summary.residual_norms[layer], hidden[layer].norm(dim=-1), rtol=1e-4)
            assert summary.residual_norm[layer] == summary.residual_norms[layer, -1]


def test_target_and_foil_are_followed_through_the_layers(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ((" wall", " sea"), (" four", None), (None, None))
    targets = [
        work.backend.resolve_target(text, *words, row)
        for text, words, row in zip(work.texts, given, work.next_logprobs, strict=True)
    ]
    monkeypatch.setattr("headscope.analysis.vocabulary.chunk_rows", lambda _: 5)  # part of a prompt
    for index, (summary, target) in enumerate(zip(layer_summaries(work, targets), targets, strict=True)):
        expected, hidden = model_output(work, index)
        for layer in range(work.backend.info.n_layers):
            with torch.no_grad():
                early = torch.log_softmax(work.backend.unembed(hidden[layer]), -1)[-1]
            lens = expected[-1] if layer == work.backend.info.n_layers - 1 else early
            for name, token in (("target", target.token_id), ("foil", target.foil_id)):
                logprob, rank = (getattr(summary, f"lens_{name}_{what}")[layer] for what in ("logprob", "rank"))
                if token < 0:
                    assert np.isnan([logprob, rank]).all()
                    continue
                assert logprob == pytest.approx(float(lens[token]), rel=1e-3)
                assert rank == 1 + int((lens > lens[token]).sum())
        assert summary.lens_target_logprob[-1] == pytest.approx(target.logprob, rel=1e-4)
        assert summary.lens_target_rank[-1] == target.rank
        if target.chosen == "predicted":
            np.testing.assert_allclose(np.exp(summary.lens_target_logprob), summary.lens_prob, rtol=1e-5)
        elif target.foil_id >= 0:
            assert summary.lens_foil_rank[-1] == target.foil_rank


def test_update_norms_are_of_what_the_sublayers_add(work: Workspace) -> None:
    forward = work.forward
    for layer in range(1, work.backend.info.n_layers):
        added = forward.attn_updates[layer] + forward.mlp_updates[layer]
        assert torch.allclose(forward.residuals[layer] - forward.residuals[layer - 1], added, atol=1e-4)
    for index, summary in enumerate(layer_summaries(work, top_tokens(work))):
        last = len(work.texts[index]) - 1
        for layer in range(work.backend.info.n_layers):
            attention, mlp = (
                updates[layer][index, last].norm() for updates in (forward.attn_updates, forward.mlp_updates)
            )
            assert summary.attn_update_norm[layer] == pytest.approx(float(attention), rel=1e-5)
            assert summary.mlp_update_norm[layer] == pytest.approx(float(mlp), rel=1e-5)


def test_a_model_that_hides_its_sublayers_gives_nan_not_zero(work: Workspace) -> None:
    work.__dict__["forward"] = replace(work.forward, attn_updates=(), mlp_updates=())
    summary = layer_summaries(work, top_tokens(work))[0]
    assert np.isnan(summary.attn_update_norm).all()
    assert np.isnan(summary.mlp_update_norm).all()
    assert np.isfinite(summary.residual_norm).all()
