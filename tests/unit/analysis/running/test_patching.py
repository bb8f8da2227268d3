"""Activation patching against brute force: the whole model, one activation replaced at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from headscope.analysis.backends import suffix
from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import InputError, NotApplicable, UnknownNameError
from headscope.analysis.interfaces import Capabilities, Capture
from headscope.analysis.running import patching
from headscope.analysis.running.patching import analyse_patch
from headscope.analysis.types.patching import PATCH_COMPONENTS, PatchRequest, PatchResult
from headscope.analysis.workspace import quantities

if TYPE_CHECKING:
    from pathlib import Path

    from headscope.analysis.backends.hf_causal import HFCausalBackend

# the same number of tokens for both tiny tokenizers
CLEAN, CORRUPTED = "One two three, the river ran", "One two three, the bread ran"


def patch(backend: HFCausalBackend, clean: str = CLEAN, corrupted: str = CORRUPTED, **options: Any) -> PatchResult:
    return analyse_patch(backend, PatchRequest("m", clean, corrupted, **options))


def brute_force(backend: HFCausalBackend, found: PatchResult) -> tuple[np.ndarray, torch.Tensor]:
    """Values `[layer, position]` and next-token logits `[layer, position, V]`, one whole forward pass each."""
    parts, component = backend.structure, found.request.component
    batches = [backend.batch([text]) for text in (found.clean, found.corrupted)]
    clean = backend.forward(batches[0], Capture(residuals=True))
    stream = (clean.embeddings, *clean.residuals[:-1])
    if backend.info.architecture == "GPT2LMHeadModel":  # its first layer reads embeddings with positions
        (positions,) = [m for name, m in backend.model.named_modules() if name.endswith("wpe")]
        stream = (clean.embeddings + positions(torch.arange(len(found.clean))), *stream[1:])
    source = {"residual": stream, "attention": clean.attn_updates, "mlp": clean.mlp_updates}[component]
    modules = {"residual": parts.layers, "attention": parts.attn_updates, "mlp": parts.mlp_updates}[component]
    logits = torch.empty(len(source), len(found.clean), backend.info.vocab_size)
    for layer, module in enumerate(modules):
        for position in range(len(found.clean)):

            def swap(tensor: torch.Tensor, layer: int = layer, position: int = position) -> torch.Tensor:
                changed = tensor.clone()
                changed[0, position] = source[layer][0, position]
                return changed

            def before(_: Any, args: tuple[Any, ...], swap: Any = swap) -> tuple[Any, ...]:
                return (swap(args[0]), *args[1:])

            def after(_: Any, __: Any, output: Any, swap: Any = swap) -> Any:
                return (swap(output[0]), *output[1:]) if isinstance(output, tuple) else swap(output)

            handle = (
                module.register_forward_pre_hook(before)
                if component == "residual"
                else module.register_forward_hook(after)
            )
            logits[layer, position] = backend.forward(batches[1], Capture()).logits[0, -1]
            handle.remove()
    flat = logits.flatten(0, 1)
    return quantities(flat, [found.target] * len(flat)).view(logits.shape[:2]).numpy(), logits


@pytest.mark.parametrize("component", PATCH_COMPONENTS)
@pytest.mark.parametrize("foil", [None, " the"])
def test_every_cell_equals_a_whole_pass_with_it_patched(
    backend: HFCausalBackend, component: str, foil: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suffix, "TOKENS_PER_PASS", 30)  # several passes per layer
    cell = (1, len(backend.tokenize(CLEAN)) - 1)
    found = patch(backend, component=component, target=" river", foil=foil, cell=cell)
    values, logits = brute_force(backend, found)
    np.testing.assert_allclose(found.patched, values, atol=2e-5)
    assert found.patched.dtype == found.recovery.dtype == np.float32
    change = found.clean_value - found.corrupted_value
    assert abs(change) > 0.01
    np.testing.assert_allclose(found.recovery, (values - found.corrupted_value) / change, atol=1e-3)
    top = torch.softmax(logits[cell], -1).topk(10)
    assert found.cell_candidates is not None
    np.testing.assert_allclose([p for _, p in found.cell_candidates], top.values.numpy(), atol=1e-5)
    assert [text for text, _ in found.cell_candidates] == backend.decode(top.indices.tolist())
    assert found.cell_candidates != found.corrupted_candidates


def test_values_and_candidates_of_the_two_prompts(backend: HFCausalBackend) -> None:
    found = patch(backend)
    assert found.target.chosen == "predicted"
    assert found.clean_candidates[0][0] == found.target.text
    assert found.clean_value == pytest.approx(found.target.logprob, abs=1e-5)
    assert found.clean_value == pytest.approx(np.log(found.clean_candidates[0][1]), abs=1e-5)
    assert found.cell_candidates is None
    logits = backend.forward(backend.batch([found.corrupted]), Capture()).logits[:, -1]
    assert found.corrupted_value == pytest.approx(float(quantities(logits, [found.target])[0]), abs=1e-5)
    # the embedding of the only differing token restores everything, and no position before it anything
    (differs,) = np.flatnonzero(found.clean.ids != found.corrupted.ids)
    assert found.recovery[0, differs] == pytest.approx(1, abs=1e-3)
    assert (found.recovery[:, :differs] == 0).all()
    # the last row patches the stream the last layer reads: at the last position of either a part
    assert found.patched.shape == (backend.info.n_layers, len(found.clean))


def test_equal_prompts_have_nothing_to_recover(backend: HFCausalBackend) -> None:
    found = patch(backend, corrupted=CLEAN)
    assert np.isnan(found.recovery).all()
    np.testing.assert_allclose(found.patched, found.clean_value, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"corrupted": CORRUPTED + " away"}, "not_aligned", "same number"),
        ({"cell": (3, 0)}, "cell", "a layer from 0 to 2"),
        ({"cell": (0, -1)}, "cell", "a position from 0 to"),
        ({"target": " river", "foil": " river"}, "target_equals_foil", "same token"),
        ({"clean": ""}, "empty", "no token|empty"),
    ],
)
def test_a_request_that_cannot_be_served_says_why(
    backend: HFCausalBackend, options: dict[str, Any], kind: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        patch(backend, **options)
    assert caught.value.kind == kind


def test_prompts_that_are_too_long(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patching, "MAX_TOKENS", 3)
    with pytest.raises(InputError, match="Shorten both") as caught:
        patch(tiny_gpt2)
    assert caught.value.kind == "too_long"


def test_components_that_do_not_exist(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="attention, mlp, residual"):
        patch(tiny_gpt2, component="head")
    monkeypatch.setattr(tiny_gpt2, "capabilities", Capabilities(attention=True, sublayers=False, heads=False))
    with pytest.raises(NotApplicable, match="patch the residual"):
        patch(tiny_gpt2, component="mlp")


def test_the_engine_answers_requests(tiny_gpt2_dir: Path, tiny_gpt2: HFCausalBackend) -> None:
    engine = InlineEngine()
    found = engine.patch(PatchRequest(str(tiny_gpt2_dir), CLEAN, CORRUPTED))
    np.testing.assert_array_equal(found.patched, patch(tiny_gpt2).patched)
    assert found.seconds > 0
    engine.close()
