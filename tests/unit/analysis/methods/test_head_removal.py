"""Heads replaced by what other texts make them say, against one whole pass per head with hooks of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from headscope.analysis.attribution.head_removal import HeadRemoval
from headscope.analysis.attribution.head_substitutes import _of_text, reference_texts
from headscope.analysis.backends import suffix
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.co_ablation import CoAblation
from headscope.analysis.methods.head_ablation import HeadAblation
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace
from tests.hooked_heads import Change, value_with

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXTS = ("The quick fox found a small door", "One two three", "She thinks that he thinks that the train is late")


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def backend(request: pytest.FixtureRequest) -> HFCausalBackend:
    found: HFCausalBackend = request.getfixturevalue(request.param)
    return found


def prepared(backend: HFCausalBackend) -> tuple[Workspace, list[Target]]:
    work = Workspace(backend, [backend.tokenize(text) for text in TEXTS], Capture())
    return work, [Target(int(row.argmax()), "t", 1, "predicted", 0.0, 1) for row in work.next_logits]


def in_reference(backend: HFCausalBackend) -> list[torch.Tensor]:
    """What all heads say in every reference text, `[L, T, H * d_head]`; cut to the words that fit the tiny context."""
    found = []
    for text in reference_texts():
        words = text.split()
        while len(backend._codec.tokenize(" ".join(words), 1000)) > backend.info.context_length:
            words = words[: len(words) * 3 // 4]
        with entering(backend.structure.head_projections) as kept:
            backend.forward(backend.batch([backend.tokenize(" ".join(words))]), Capture())
        found.append(torch.stack([mixed[0] for mixed, _, _ in kept]))
    return found


def effects(backend: HFCausalBackend, text: str, target: Target, per_head: Callable[[int, slice], Change]) -> Any:
    """Of every head, one whole pass each, `[L, H]`."""
    size, value = backend.head_weights(0).shape[1], value_with(backend, text, target, {})
    return np.array([
        [
            value
            - value_with(
                backend, text, target, {(layer, head): per_head(layer, slice(head * size, (head + 1) * size))}
            )
            for head in range(4)
        ]
        for layer in range(3)
    ])  # fmt: skip


def test_resampled_heads_equal_one_at_a_time(backend: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suffix, "TOKENS_PER_PASS", 60)
    said, (work, targets) = in_reference(backend), prepared(backend)
    settings = {"kind": "resample", "draws": 12}
    found = HeadAblation().attribute(work, targets, settings)
    for text, target, one in zip(TEXTS, targets, found, strict=True):

        def from_text(source: torch.Tensor) -> Callable[[int, slice], Change]:
            return lambda layer, part: lambda output: source[layer, : len(output), part]

        each = np.array([effects(backend, text, target, from_text(source)) for source in said])
        np.testing.assert_allclose(one.scores, each.mean(0), atol=3e-5)
        assert one.score_errors is not None
        np.testing.assert_allclose(one.score_errors, each.std(0, ddof=1) / np.sqrt(12), atol=3e-5)
        assert one.outcome.error == pytest.approx(one.score_errors.max())
        assert "twelve short texts of our own" in str(one.outcome.facts["reference"])
    few = [HeadAblation().attribute(work, targets, {**settings, "draws": 2, "seed": seed})[0] for seed in (0, 1)]
    assert not np.allclose(few[0].scores, few[1].scores, atol=1e-3)
    alone = HeadAblation().attribute(work, targets, {**settings, "draws": 1})[0]
    assert alone.score_errors is None  # of one draw nothing is known


def test_a_prompt_longer_than_its_reference_reads_it_again_from_the_second_token() -> None:
    outputs = [torch.arange(4.0)[:, None, None]]
    (taken,) = (_of_text(outputs, 9)(0, torch.arange(1)),)
    assert taken.flatten().tolist() == [0, 1, 2, 3, 1, 2, 3, 1, 2]
    assert _of_text([outputs[0][:1]], 3)(0, torch.arange(1)).flatten().tolist() == [0, 0, 0]


def test_mean_over_the_reference_texts(backend: HFCausalBackend) -> None:
    means = torch.cat(in_reference(backend), dim=1).mean(1)  # [L, H * d_head]
    work, targets = prepared(backend)
    found = HeadAblation().attribute(work, targets, {"kind": "mean", "mean_over": "reference"})
    for text, target, one in zip(TEXTS, targets, found, strict=True):
        expected = effects(backend, text, target, lambda layer, part: means[layer, part].expand_as)
        np.testing.assert_allclose(one.scores, expected, atol=3e-5)


@pytest.mark.parametrize("kind", ["zero", "mean"])
def test_methods_of_one_request_share_the_passes_without_one_head(
    backend: HFCausalBackend, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each head alone, and beside the primaries: two rounds, not three, and the same numbers to the last bit."""
    rounds, each = [], HeadRemoval.each
    monkeypatch.setattr(HeadRemoval, "each", lambda self, *given: rounds.append(len(given)) or each(self, *given))
    methods = (HeadAblation(), CoAblation())
    work, targets = prepared(backend)
    together = [one for method in methods for one in method.attribute(work, targets, {"kind": kind})]
    assert rounds == [1, 2]
    alone = [one for method in methods for one in method.attribute(*prepared(backend), {"kind": kind})]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
    HeadAblation().attribute(work, [replace(target, quantity="logit") for target in targets], {"kind": kind})
    assert rounds[-1] == 1  # another quantity is another round
    assert len(rounds) == 2 + 3 + 1
