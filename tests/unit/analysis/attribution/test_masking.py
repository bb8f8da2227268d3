"""Variants of prompts with tokens removed, and the methods that ask for them, against one-by-one passes, captum, and
enumeration."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation

from headscope.analysis.attribution.coalitions import all_coalitions, shapley
from headscope.analysis.attribution.masking import Masking, masked_values, neutral, units_of
from headscope.analysis.attribution.unit_games import UnitGame
from headscope.analysis.interfaces import Capture, Method
from headscope.analysis.methods.occlusion import Occlusion
from headscope.analysis.methods.shap_kernel import ShapKernel
from headscope.analysis.methods.shap_partition import ShapPartition
from headscope.analysis.methods.shap_permutation import ShapPermutation
from headscope.analysis.methods.shapley_exact import ShapleyExact
from headscope.analysis.registry.removal import MASKINGS
from headscope.analysis.running.runner import run_batch
from headscope.analysis.types import Prompt, RunSpec, Target
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

PROMPT = Prompt("p", "The fox found a door")
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


def a_word(backend: HFCausalBackend) -> tuple[int, str]:
    """A token of several letters that begins a word: its id and its text."""
    ids = backend.tokenize("a garden the doors found").ids.tolist()
    return next((i, text) for i in ids if len(text := backend.decode([i])[0]) > 2 and text[0] == " ")


@pytest.mark.parametrize("kind", [*MASKINGS, "token of one's own"])
def test_every_variant_is_what_a_pass_of_its_own_gives(backend: HFCausalBackend, kind: str) -> None:
    own = kind not in MASKINGS
    token, text = a_word(backend)
    masking = Masking("token", text) if own else Masking(kind)
    table: Any = backend.model.get_input_embeddings()  # type: ignore[operator]
    other = table.weight.detach()[token] if own else neutral(backend, masking) if kind != "delete" else None
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

        baseline = neutral(backend, Masking("mean")).expand_as(inputs)
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
        game = UnitGame.of(work, targets, i, "word", Masking("mean"))
        none, every = game.values(np.array([[False] * len(game.units), [True] * len(game.units)]))
        assert np.nansum(one.scores) == pytest.approx(every - none, abs=1e-4)
        assert np.nansum(other.scores) == pytest.approx(every - none, abs=1e-4)
        assert one.value == pytest.approx(every, abs=1e-4)
        words = game.units
        mine = np.array([one.scores[mask].sum() for mask in words])
        theirs = np.array([other.scores[mask].sum() for mask in words])
        # Owen values bind neighbours together: close to Shapley's, not the same
        assert np.abs(mine - theirs).max() < 0.5 * np.abs(mine).max() + 0.05


@pytest.mark.parametrize("method", [Occlusion(), ShapleyExact(), ShapPartition(), ShapPermutation(), ShapKernel()])
def test_a_replacement_is_one_token_and_told(backend: HFCausalBackend, method: Method) -> None:
    _, text = a_word(backend)
    spec = RunSpec(backend.info.ref, (), ("saliency", method.NAME))
    asked = {"unit": "word", "masking": "token"}
    wrong = " unbelievable fox"
    found = {
        replacement: run_batch(backend, replace(spec, params={method.NAME: {**asked, **given}}), [PROMPT])[0]
        for replacement, given in (("", {}), (text, {"replacement": text}), (wrong, {"replacement": wrong}))
    }
    plain, own, bad = ({one.method: one for one in found[key].attributions}[method.NAME] for key in found)
    assert plain.outcome.facts["removed tokens become"] == "a line break"
    assert own.outcome.facts["removed tokens become"] == repr(text)
    assert (plain.params["replacement"], own.params["replacement"]) == ("\n", text)
    assert np.nanmax(np.abs(plain.scores - own.scores)) > 1e-3
    pieces = ", ".join(map(repr, backend.decode(backend.ids_of(wrong))))
    assert bad.error is not None
    assert f"{wrong!r} is {len(backend.ids_of(wrong))} tokens of this model ({pieces}) and must be one" in bad.error
    assert found[wrong].attributions[0].error is None, "the others stay"


def test_receipts_remove_with_the_token_they_are_given(tiny_gpt2: HFCausalBackend) -> None:
    _, text = a_word(tiny_gpt2)
    spec = RunSpec(tiny_gpt2.info.ref, (), ("saliency", "receipts"))
    given = {"unit": "word", "noise_draws": 0, "second_baseline": "none", "replacement": text}
    (found,) = run_batch(tiny_gpt2, replace(spec, params={"receipts": given}), [PROMPT])
    (plain,) = run_batch(tiny_gpt2, replace(spec, params={"receipts": {**given, "replacement": "\n"}}), [PROMPT])
    one, other = (run.attributions[0].receipt for run in (found, plain))
    assert one is not None
    assert other is not None
    assert [part.masking for part in one.removal] == [f"token {text!r}", "delete"]
    assert [part.masking for part in other.removal] == ["token", "delete"]
    assert np.abs(one.removal[0].deletion - other.removal[0].deletion).max() > 1e-3
    np.testing.assert_allclose(one.removal[1].deletion, other.removal[1].deletion, atol=1e-5)
    (bad,) = run_batch(tiny_gpt2, replace(spec, params={"receipts": {**given, "replacement": "two words"}}), [PROMPT])
    assert "must be one" in next(part.reason for part in bad.missing if part.part == "receipts")


def test_too_many_units_are_refused_with_their_number(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend, *TEXTS)
    few = len(UnitGame.of(work, targets, 1, "word", Masking("mean")).units)
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
