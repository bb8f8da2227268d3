"""Direct logit attribution and head ablation against brute force: one component, one head at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from headscope.analysis.backends import suffix
from headscope.analysis.backends.needs import unmet
from headscope.analysis.backends.suffix import LayerSuffix, why_no_suffix
from headscope.analysis.interfaces import Capabilities, Capture
from headscope.analysis.methods.direct_logit_attribution import DirectLogitAttribution
from headscope.analysis.methods.head_ablation import HeadAblation
from headscope.analysis.registry import METHODS
from headscope.analysis.types import Target
from headscope.analysis.types.outcome import NOTHING
from headscope.analysis.workspace import Workspace, quantities

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXTS = ("The quick fox found a small door", "One two three", "She thinks that he thinks that the train is late")


def workspace(backend: HFCausalBackend, texts: Sequence[str] = TEXTS, **options: Any) -> Workspace:
    return Workspace(backend, [backend.tokenize(text) for text in texts], Capture(), **options)


def targets(work: Workspace, foil: int = -1) -> list[Target]:
    found = [Target(int(row.argmax()), "t", 1, "predicted", 0.0, 1) for row in work.next_logits]
    return [replace(target, foil_id=foil, foil_text="f") for target in found] if foil >= 0 else found


def value_without(backend: HFCausalBackend, text: str, target: Target, layer: int, head: int, mean: bool) -> float:
    """The whole model on one prompt with one head's output replaced."""
    size = backend.head_weights(layer).shape[1]
    part = slice(head * size, (head + 1) * size)

    def replace_head(_: Any, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        changed = args[0].clone()
        changed[..., part] = changed[..., part].mean(1, keepdim=True) if mean else 0
        return (changed,)

    handle = backend.structure.head_projections[layer].register_forward_pre_hook(replace_head)
    try:
        logits = backend.forward(backend.batch([backend.tokenize(text)]), Capture()).logits[:, -1]
    finally:
        handle.remove()
    return float(quantities(logits, [target])[0])


@pytest.mark.parametrize(("kind", "foil"), [("zero", -1), ("zero", 7), ("mean", -1)])
def test_ablation_equals_one_head_at_a_time(
    backend: HFCausalBackend, kind: str, foil: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suffix, "TOKENS_PER_PASS", 60)  # several passes per layer, the last of them smaller
    work = workspace(backend)
    wanted = targets(work, foil)
    for text, target, found in zip(TEXTS, wanted, HeadAblation().attribute(work, wanted, {"kind": kind}), strict=True):
        expected = [
            [found.value - value_without(backend, text, target, layer, head, kind == "mean") for head in range(4)]
            for layer in range(3)
        ]
        np.testing.assert_allclose(found.scores, expected, atol=2e-5)
        assert np.abs(found.scores).max() > 0.01
        assert (found.params["kind"], found.params["mean_over"]) == (kind, "prompt")
        assert (found.score_errors, found.outcome) == (None, NOTHING)


def test_ablation_of_an_earlier_position_sees_nothing_after_it(backend: HFCausalBackend) -> None:
    tokens = backend.tokenize(TEXTS[0])
    text = TEXTS[0][: int(tokens.char_spans[4, 1])]
    assert (backend.tokenize(text).ids == tokens.ids[:5]).all()
    work = workspace(backend, TEXTS[:1], positions=[4])
    short = workspace(backend, (text,))
    for kind in ("zero", "mean"):
        (here,) = HeadAblation().attribute(work, targets(work), {"kind": kind})
        (there,) = HeadAblation().attribute(short, targets(short), {"kind": kind})
        np.testing.assert_allclose(here.scores, there.scores, atol=2e-5)


def test_ablation_starts_from_the_embeddings_given(backend: HFCausalBackend) -> None:
    own = workspace(backend, TEXTS[:1])
    moved = workspace(backend, TEXTS[:1], embeddings=own.embeddings * 1.5)
    assert not np.allclose(
        HeadAblation().attribute(own, targets(own), {})[0].scores,
        HeadAblation().attribute(moved, targets(own), {})[0].scores,
        atol=1e-3,
    )


def test_last_layers_give_exactly_what_the_whole_model_gives(backend: HFCausalBackend) -> None:
    batch = backend.batch([backend.tokenize(text) for text in TEXTS])
    rerun = LayerSuffix(backend, batch, backend.embed(batch))
    at = batch.lengths - 1
    expected = rerun.result.residuals[-1][torch.arange(3), at]
    for layer, hidden in enumerate(rerun.inputs):
        torch.testing.assert_close(rerun.run(layer, hidden, at), expected, rtol=1e-5, atol=1e-5)
    backend.forward(batch, Capture(attention=True))  # leaves eager attention behind, which would not be causal
    with pytest.raises(Exception, match="attention was switched"):
        rerun.run(0, rerun.inputs[0], at)


def test_hooks_are_gone_after_an_exception(backend: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError

    work = workspace(backend)
    wanted = targets(work)
    hooks = [len(module._forward_pre_hooks) for module in backend.model.modules()]
    monkeypatch.setattr(LayerSuffix, "_rerun", fail)  # inside the edits
    with pytest.raises(MemoryError):
        HeadAblation().attribute(work, wanted, {})
    assert [len(module._forward_pre_hooks) for module in backend.model.modules()] == hooks


@pytest.mark.parametrize("foil", [-1, 7])
def test_direct_attribution_equals_what_each_part_writes_through_the_frozen_norm(
    backend: HFCausalBackend, foil: int
) -> None:
    work = workspace(backend)
    wanted = targets(work, foil)
    inputs: list[torch.Tensor] = []
    handles = [
        module.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
        for module in backend.structure.head_projections
    ]
    result = backend.forward(work.batch, Capture(residuals=True), embeddings=work.embeddings)
    for handle in handles:
        handle.remove()
    for i, (target, found) in enumerate(zip(wanted, DirectLogitAttribution().attribute(work, wanted, {}), strict=True)):
        at = int(work.positions[i])
        last = result.residuals[-1][i, at]
        written = torch.zeros(3, 5, 32)
        for layer in range(3):
            for head in range(4):
                mixed = inputs[layer][i, at].view(4, -1)[head]
                written[layer, head] = mixed @ backend.head_weights(layer)[head]
            written[layer, 4] = result.mlp_updates[layer][i, at]
        expected = _through_the_norm(backend, written, last) @ _unembedding(backend, target)
        np.testing.assert_allclose(found.scores, expected.numpy(), atol=2e-5)
        logits = work.next_logits[i]
        assert found.value == pytest.approx(
            float(logits[target.token_id] - (logits[foil] if foil >= 0 else 0)), abs=1e-5
        )
        terms = [found.outcome.terms[name] for name in ("token embedding", "position embeddings", "biases")]
        assert float(found.scores.sum()) + sum(terms) == pytest.approx(found.value, abs=2e-5)
        assert found.convergence_delta == pytest.approx(0, abs=2e-5)
        has_biases = backend.info.architecture == "GPT2LMHeadModel"
        assert (abs(terms[1]) > 1e-3, abs(terms[2]) > 1e-3) == (has_biases, has_biases)


def _through_the_norm(backend: HFCausalBackend, written: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    norm: Any = backend.structure.tail[0]
    weight: torch.Tensor = norm.weight
    if hasattr(norm, "variance_epsilon"):
        return written * weight / (last.pow(2).mean() + norm.variance_epsilon).sqrt()
    centred = written - written.mean(-1, keepdim=True)
    return centred * weight / (last.var(unbiased=False) + norm.eps).sqrt()


def _unembedding(backend: HFCausalBackend, target: Target) -> torch.Tensor:
    weight: Any = backend.model.get_output_embeddings().weight  # type: ignore[operator]
    found: torch.Tensor = weight[target.token_id] - (weight[target.foil_id] if target.foil_id >= 0 else 0)
    return found


def test_a_model_whose_heads_cannot_be_told_apart_is_told_so(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_gpt2, "capabilities", Capabilities(attention=True, sublayers=False, heads=False))
    for name in ("direct_logit_attribution", "head_ablation"):
        assert "single heads cannot be told apart in GPT2LMHeadModel" in (unmet(METHODS[name].needs, tiny_gpt2) or "")


def test_layers_that_do_not_run_on_their_own_are_found_out(
    tiny_llama: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer that remembers its last call cannot be rerun; the memory of earlier answers is left out."""
    assert why_no_suffix(tiny_llama) is None
    calls: list[int] = []

    def drift(_: Any, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        calls.append(1)
        return (args[0] * (1 + 0.01 * len(calls)),)

    handle = tiny_llama.structure.layers[1].register_forward_pre_hook(drift)
    try:
        fresh: Any = why_no_suffix
        assert "do not give what the whole model gives" in fresh.__wrapped__(tiny_llama)
    finally:
        handle.remove()
