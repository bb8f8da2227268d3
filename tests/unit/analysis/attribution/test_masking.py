"""Variants of prompts with tokens removed, and the methods that ask for them, against one-by-one passes, captum, and
enumeration."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation

from headscope.analysis.attribution.coalitions import all_coalitions, shapley
from headscope.analysis.attribution.masking import masked_values, neutral, units_of
from headscope.analysis.attribution.unit_games import UnitGame
from headscope.analysis.interfaces import Capture, Method
from headscope.analysis.methods.occlusion import Occlusion
from headscope.analysis.methods.shap_partition import ShapPartition
from headscope.analysis.methods.shapley_exact import ShapleyExact
from headscope.analysis.registry.removal import MASKINGS
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXTS = ("The unbelievable fox found doors", "One two three")


def prepared(backend: HFCausalBackend, *texts: str) -> tuple[Workspace, list[Target]]:
    work = Workspace(backend, [backend.tokenize(text) for text in texts], Capture())
    rows = zip(work.texts, work.next_logprobs, strict=True)
    return work, [backend.resolve_target(text, None, None, row) for text, row in rows]


def alone(backend: HFCausalBackend, embeddings: torch.Tensor, target: Target) -> float:
    model: Any = backend.model
    with torch.no_grad():
        logits = model(inputs_embeds=embeddings[None], use_cache=False).logits[0, -1]
    return float(torch.log_softmax(logits, -1)[target.token_id])


@pytest.mark.parametrize("masking", MASKINGS)
def test_every_variant_is_what_a_pass_of_its_own_gives(backend: HFCausalBackend, masking: str) -> None:
    work, targets = prepared(backend, *TEXTS)
    generator = np.random.default_rng(0)
    prompts = [0, 1, 1, 0, 0, 1]
    keep = [generator.random(len(work.texts[p])) > 0.4 for p in prompts]
    for mask in keep:
        mask[0] = True
    prompts, keep = [*prompts, 0], [*keep, keep[0]]
    found = masked_values(work, targets, prompts, keep, masking)
    for value, prompt, mask in zip(found, prompts, keep, strict=True):
        here, kept = work.embeddings[prompt, : len(mask)], torch.from_numpy(mask)
        other = neutral(backend, masking) if masking != "delete" else None
        variant = here[kept] if other is None else torch.where(kept[:, None], here, other)
        assert value == pytest.approx(alone(backend, variant, targets[prompt]), abs=1e-4)


def test_units_are_tokens_or_words_and_never_the_first_token(backend: HFCausalBackend) -> None:
    text = backend.tokenize(TEXTS[0])
    last = len(text) - 1
    tokens, words = units_of(text, last, "token"), units_of(text, last, "word")
    assert len(tokens) == last
    for units in (tokens, words):
        assert np.sum(units, axis=0).tolist() == [0] + [1] * last
    assert 1 <= len(words) < len(tokens)
    assert all(not mask[3:].any() for mask in units_of(text, 2, "token"))


def test_occlusion_is_captums_feature_ablation(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend, *TEXTS)
    found = Occlusion().attribute(work, targets, {"masking": "mean"})
    for i, (one, target) in enumerate(zip(found, targets, strict=True)):
        length = len(work.texts[i])
        inputs = work.embeddings[i : i + 1, :length]
        groups = torch.arange(length)[None, :, None].expand_as(inputs)

        def value(embeddings: torch.Tensor, target: Target = target) -> torch.Tensor:
            model: Any = backend.model
            logits = model(inputs_embeds=embeddings, use_cache=False).logits[:, -1]
            return torch.log_softmax(logits, -1)[:, target.token_id]

        baseline = neutral(backend, "mean").expand_as(inputs)
        expected = FeatureAblation(value).attribute(inputs, baselines=baseline, feature_mask=groups)[0, :, 0]
        np.testing.assert_allclose(one.scores[1:], expected[1:].detach().numpy(), rtol=1e-3, atol=1e-4)
        assert np.isnan(one.scores[0])


def test_shapley_values_are_means_over_all_orders() -> None:
    values = np.random.default_rng(4).normal(size=2**4)
    expected = np.zeros(4)
    orders = list(permutations(range(4)))
    for order in orders:
        there = 0
        for player in order:
            expected[player] += values[there | 1 << player] - values[there]
            there |= 1 << player
    np.testing.assert_allclose(shapley(values), expected / len(orders), atol=1e-12)
    assert all_coalitions(2).tolist() == [[False, False], [True, False], [False, True], [True, True]]


def test_a_game_without_interactions_has_its_own_weights_as_values() -> None:
    weights = np.array([2.0, -1.0, 0.5])
    np.testing.assert_allclose(shapley(all_coalitions(3) @ weights + 7), weights, atol=1e-12)


def test_exact_and_partition_add_up_and_agree(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend, *TEXTS)
    exact = ShapleyExact().attribute(work, targets, {"unit": "word"})
    partition = ShapPartition().attribute(work, targets, {"unit": "word", "max_evals": 500})
    for i, (one, other) in enumerate(zip(exact, partition, strict=True)):
        game = UnitGame.of(work, targets, i, "word", "mean")
        none, every = game.values(np.array([[False] * len(game.units), [True] * len(game.units)]))
        assert np.nansum(one.scores) == pytest.approx(every - none, abs=1e-4)
        assert np.nansum(other.scores) == pytest.approx(every - none, abs=1e-4)
        assert one.value == pytest.approx(every, abs=1e-4)
        words = game.units
        mine = np.array([one.scores[mask].sum() for mask in words])
        theirs = np.array([other.scores[mask].sum() for mask in words])
        # Owen values bind neighbours together: close to Shapley's, not the same
        assert np.abs(mine - theirs).max() < 0.5 * np.abs(mine).max() + 0.05


def test_too_many_units_are_refused_with_their_number(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend, *TEXTS)
    few = len(UnitGame.of(work, targets, 1, "word", "mean").units)
    long, short = ShapleyExact().attribute(work, targets, {"max_units": few})
    assert long.error is not None
    assert "max_units" in long.error
    assert short.error is None


def test_one_token_leaves_nothing_to_remove(backend: HFCausalBackend) -> None:
    work = Workspace(backend, [backend.tokenize(TEXTS[0])], Capture(), [0])
    target = Target(3, "x", 1, "given", 0.0, 1)
    for method in (Occlusion(), ShapleyExact(), ShapPartition()):
        (found,) = method.attribute(work, [target], {})
        assert found.error == "there is no token that could be removed"


@pytest.mark.parametrize("method", [Occlusion(), ShapleyExact(), ShapPartition()])
def test_a_unit_that_is_its_own_replacement_is_not_explained(backend: HFCausalBackend, method: Method) -> None:
    text = backend.tokenize("The fox\nfound")
    work = Workspace(backend, [text], Capture())
    targets = [backend.resolve_target(text, " the", None, work.next_logprobs[0])]
    (found,) = method.attribute(work, targets, {"unit": "token", "masking": "token"})
    same = text.ids == backend.tokenize("\n").ids[-1]
    same[0] = False
    assert same.sum() == 1
    np.testing.assert_array_equal(np.isnan(found.scores), same | (np.arange(len(text)) == 0) | text.special)
    assert f"position {int(np.flatnonzero(same)[0])} " in found.outcome.not_explained
    (other,) = method.attribute(work, targets, {"unit": "token", "masking": "mean"})
    assert np.isfinite(other.scores[same]).all()
    said = other.outcome.not_explained
    assert "0 by construction" not in said
    assert "the first token is never removed" in said
    assert ("--start-token" in said) is not bool(text.special[0])
