"""Reading on from shared tokens gives what reading everything gives, and coalitions as a tree what each gives alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from headscope.analysis.attribution import masking as masking_room
from headscope.analysis.attribution import variant_tree
from headscope.analysis.attribution.coalitions import all_coalitions
from headscope.analysis.attribution.embedding_path import EmbeddingPath
from headscope.analysis.attribution.masking import Masking, masked_values
from headscope.analysis.attribution.unit_games import UnitGame
from headscope.analysis.attribution.variant_tree import Variants, kv_bytes
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.backends.prefix import why_no_prefix
from headscope.analysis.interfaces import Capture
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
@pytest.mark.parametrize("masking", ["mean", "token", "delete"])
def test_the_tree_gives_every_variant_the_value_it_has_alone(
    backend: HFCausalBackend, unit: str, masking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, targets = workspace(backend, "the cat sat on the mat and ran", "One two three")
    games = [UnitGame.of(work, targets, prompt, unit, Masking(masking)) for prompt in (0, 1)]
    games[0] = replace(games[0], units=[games[0].units[0] | games[0].units[3], *games[0].units[4:9]])  # torn, and few
    masks = [game.masks(all_coalitions(len(game.units))) for game in games]
    owners = [prompt for prompt, mine in enumerate(masks) for _ in mine]
    asked = (work, targets, owners, [mask for mine in masks for mask in mine], Masking(masking))
    monkeypatch.setattr(masking_room, "WORTH_A_TREE", 0.0)
    expected = masked_values(*asked)
    monkeypatch.setattr(masking_room, "WORTH_A_TREE", float("inf"))
    np.testing.assert_allclose(masked_values(*asked), expected, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(variant_tree, "PASS", 1.0)  # as if passes were cheap: the tree in many steps
    read = HFCausalBackend.read
    passes: list[int] = []
    monkeypatch.setattr(HFCausalBackend, "read", lambda *given: passes.append(given[1][..., 0].numel()) or read(*given))
    np.testing.assert_allclose(masked_values(*asked), expected, rtol=1e-4, atol=1e-5)
    n_tokens, n_passes = sum(passes), len(passes)
    assert 0 < n_tokens < 0.8 * sum(mask.sum() if masking == "delete" else mask.size for mine in masks for mask in mine)
    monkeypatch.setattr(variant_tree, "BYTES", 5 * kv_bytes(backend.info) * len(work.texts[0]))
    np.testing.assert_allclose(masked_values(*asked), expected, rtol=1e-4, atol=1e-5)
    assert len(passes) > 3 * n_passes


def cost_of(stops: Sequence[int], branches: variant_tree.Bools) -> float:
    """Counted pass by pass."""
    cost, start = 0.0, 0
    for stop in stops:
        rows = branches[:, stop - 1].sum()
        cost += variant_tree.PASS + rows * (stop - start) + variant_tree.COPY * rows * start
        start = stop
    return cost


@pytest.mark.parametrize("seed", range(6))
def test_a_walk_ends_its_passes_where_it_costs_least(seed: int) -> None:
    rng = np.random.default_rng(seed)
    length, n = 8, int(rng.integers(5, 200))
    places = np.where(rng.random((n, length)) < rng.uniform(0.3, 0.9), np.arange(length), variant_tree.ABSENT)
    shorter = rng.random(n) < (0.3 if seed % 2 else 0.0)
    places[shorter, 6:] = variant_tree.END
    found = Variants(np.zeros(n, int), places, np.zeros(n, int))
    ordered = found.part(found.in_order())
    branches, there = ordered.branches(), ordered.places != variant_tree.END
    forced = {6} if shorter.any() else set()
    ways = [
        [*inner, length]
        for size in range(length)
        for inner in combinations(range(1, length), size)
        if forced <= set(inner)
    ]
    cost, stops = variant_tree._cheapest(branches, there)
    least = min(ways, key=lambda stops: cost_of(stops, branches))
    assert cost == pytest.approx(cost_of(stops, branches)) == pytest.approx(cost_of(least, branches))
    assert forced <= set(stops)
    assert variant_tree.tree_cost(found) == pytest.approx(cost)


def test_rows_of_a_prefix_leave_it_as_it_was(backend: HFCausalBackend) -> None:
    work, _ = workspace(backend, "the cat sat on the mat")
    _, prefix = backend.read(work.embeddings[:, :3])
    rest, _ = backend.read(work.embeddings[:, 3:], prefix.rows(torch.tensor([0])))
    two, _ = backend.read(work.embeddings[:, 3:].repeat(2, 1, 1), prefix.rows(torch.tensor([0, 0])))
    again, _ = backend.read(work.embeddings[:, 3:], prefix.rows(torch.tensor([0])))
    torch.testing.assert_close(two, rest.repeat(2, 1, 1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(again, rest)
    assert prefix.length == prefix.cache.get_seq_length() == 3
