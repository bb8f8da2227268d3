"""Reading on from shared tokens gives what reading everything gives, and coalitions as a tree what each gives alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from headscope.analysis.attribution import coalition_tree
from headscope.analysis.attribution.coalition_tree import kv_bytes, tree_values
from headscope.analysis.attribution.embedding_path import EmbeddingPath
from headscope.analysis.attribution.unit_games import UnitGame
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.backends.prefix import why_no_prefix
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.shapley_exact import all_coalitions
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace
from tests.tiny_models import SENTENCES

TEXT = SENTENCES[0]


def workspace(backend: HFCausalBackend, *texts: str) -> tuple[Workspace, list[Target]]:
    tokens = [backend.tokenize(text) for text in texts]
    work = Workspace(backend, tokens, Capture(gradients=True))
    return work, [backend.resolve_target(t, None, None, work.next_logprobs[i].detach()) for i, t in enumerate(tokens)]


def test_what_follows_a_prefix_is_what_the_whole_prompt_gives(backend: HFCausalBackend) -> None:
    work, _ = workspace(backend, TEXT, SENTENCES[1])
    n = int(work.batch.lengths.min())
    embeddings = backend.embed(work.batch)[:, :n]
    with torch.no_grad():
        whole, _ = backend.read(embeddings)
        _, first = backend.read(embeddings[:, :3])
        rows = torch.tensor([1, 0, 1])
        for _ in range(2):  # rows are copies: reading on from them leaves the prefix as it was
            rest, longer = backend.read(embeddings[rows, 3:], first.rows(rows))
            torch.testing.assert_close(rest, whole[rows, 3:], rtol=1e-4, atol=1e-5)
    assert (first.length, longer.length) == (3, n)
    assert why_no_prefix(backend) is None


def test_integrated_gradients_rates_are_the_same_with_and_without_the_shared_first_token(
    backend: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, targets = workspace(backend, TEXT, SENTENCES[1], "word")
    shared = EmbeddingPath(work, targets, "mean", hold_first=True)
    monkeypatch.setattr(EmbeddingPath, "_held", lambda self, hold_first: None)
    alone = EmbeddingPath(work, targets, "mean", hold_first=True)
    assert shared._prefix is not None
    points = ([0, 1, 1, 0], [0.0, 0.25, 0.5, 1.0])
    for found, expected in zip(shared.evaluate(*points), alone.evaluate(*points), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_a_model_whose_cache_does_not_work_is_told_apart(
    backend: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = HFCausalBackend.read

    def forgetful(self: HFCausalBackend, embeddings: Any, after: Any = None) -> Any:
        return read(self, embeddings, None)

    monkeypatch.setattr(HFCausalBackend, "read", forgetful)
    reason = why_no_prefix.__wrapped__(backend)  # type: ignore[attr-defined]
    assert "does not give what the whole prompt gives" in reason


@pytest.mark.parametrize("unit", ["word", "token"])
@pytest.mark.parametrize("masking", ["mean", "token"])
def test_the_tree_gives_every_coalition_the_value_it_has_alone(
    backend: HFCausalBackend, unit: str, masking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, targets = workspace(backend, "the cat sat on the mat and ran")
    game = UnitGame.of(work, targets, 0, unit, masking)
    units = game.units[:8]
    expected = replace(game, units=units).values(all_coalitions(len(units)))
    found = tree_values(work, targets[0], 0, units, masking)
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(coalition_tree, "BYTES", 12 * kv_bytes(backend.info) * len(work.texts[0]))
    branches = tree_values(work, targets[0], 0, units, masking)
    assert branches is not None
    np.testing.assert_allclose(branches, expected, rtol=1e-4, atol=1e-5)


def test_where_a_tree_does_not_serve_it_says_so(backend: HFCausalBackend) -> None:
    work, targets = workspace(backend, "the cat sat on the mat and ran")
    units = UnitGame.of(work, targets, 0, "token", "mean").units[:7]
    assert tree_values(work, targets[0], 0, units, "delete") is None
    assert tree_values(work, targets[0], 0, units[::-1], "mean") is None
    assert tree_values(work, targets[0], 0, units[:3], "mean") is None
    torn = [units[0] | units[3], *units[1:3], *units[4:], units[6]]
    assert tree_values(work, targets[0], 0, torn, "mean") is None
