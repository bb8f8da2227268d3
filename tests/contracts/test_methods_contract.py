"""What every registered method promises, on every tiny model."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from headscope.analysis.interfaces import Capture, Method
from headscope.analysis.params import resolve_params
from headscope.analysis.registry import METHODS
from headscope.analysis.running.runner import run_batch
from headscope.analysis.types import Attribution, Prompt, RunSpec, RunStatus, Target, TokenizedText
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXTS = ("The quick fox found a small door in the wall", "One two", "She thinks  that ☃ he thinks")


@pytest.fixture(params=sorted(METHODS))
def method(request: pytest.FixtureRequest) -> Method:
    found: Method = METHODS[request.param].load()()
    assert request.param == found.NAME
    return found


def partner_of(text: TokenizedText) -> TokenizedText:
    """The same prompt but for its last token and the one before."""
    ids = text.ids.copy()
    ids[-2:] = (5, 9)
    return replace(text, ids=ids)


def attribute(
    backend: HFCausalBackend,
    method: Method,
    texts: tuple[str, ...],
    foil: str | None = None,
    quantity: str = "logprob",
) -> list[Attribution]:
    needs = METHODS[method.NAME].needs
    capture = Capture(needs.attention, gradients=needs.gradients, attention_gradients=needs.attention_gradients)
    work = Workspace(backend, [backend.tokenize(text) for text in texts], capture)
    work.partners = tuple(partner_of(text) for text in work.texts)
    targets: list[Target] = [
        replace(backend.resolve_target(text, " the" if foil else None, foil, row), quantity=quantity)
        for text, row in zip(work.texts, work.next_logprobs, strict=True)
    ]
    return method.attribute(work, targets, resolve_params(method.NAME, {}))


@pytest.mark.parametrize("foil", [None, " a"])
def test_shapes_axes_and_facts(backend: HFCausalBackend, method: Method, foil: str | None) -> None:
    found = attribute(backend, method, TEXTS, foil)
    assert len(found) == len(TEXTS)
    for text, attribution in zip(TEXTS, found, strict=True):
        assert attribution.error is None
        assert attribution.method == method.NAME
        info, n_tokens = backend.info, len(backend.tokenize(text))
        sizes = {"position": n_tokens, "layer": info.n_layers, "head": info.n_heads, "component": info.n_heads + 1}
        sizes["condition"] = 2
        assert attribution.scores.dtype == np.float32
        assert attribution.axes == METHODS[method.NAME].axes
        assert (attribution.layer_scores is not None) == METHODS[method.NAME].layers
        assert attribution.scores.shape == tuple(sizes[axis] for axis in attribution.axes)
        first = int(attribution.axes[-1] == "position")  # a method may hold the first token
        assert np.isfinite(attribution.scores[..., first:]).all()
        if attribution.layer_scores is not None:
            assert attribution.layer_scores.dtype == np.float32
            assert attribution.layer_scores.shape in {(info.n_layers, n_tokens), (info.n_layers + 1, n_tokens)}
        assert np.isfinite(attribution.value)
        assert attribution.quantity.endswith("_difference") == bool(foil)
        assert (attribution.foil is None) == (foil is None)
        assert attribution.seconds > 0
        assert attribution.signed or (attribution.scores >= 0).all()
        asked, outcome = resolve_params(method.NAME, {}), attribution.outcome
        assert attribution.params == asked
        labels = {*outcome.terms, *outcome.facts, outcome.error_label}
        assert not labels & asked.keys()
        assert not any("_" in label for label in labels), "a label is for people"
        assert (outcome.error is None) == (outcome.error_label == "")


def test_a_batch_equals_prompts_alone(backend: HFCausalBackend, method: Method) -> None:
    for one, text in zip(attribute(backend, method, TEXTS), TEXTS, strict=True):
        (alone,) = attribute(backend, method, (text,))
        np.testing.assert_allclose(one.scores, alone.scores, rtol=2e-3, atol=1e-4)
        assert one.value == pytest.approx(alone.value, abs=1e-4)


def test_the_same_request_gives_the_same_numbers(backend: HFCausalBackend, method: Method) -> None:
    for one, other in zip(attribute(backend, method, TEXTS), attribute(backend, method, TEXTS), strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)


def test_a_logit_is_explained_as_the_choice_says(backend: HFCausalBackend, method: Method) -> None:
    (found,) = attribute(backend, method, TEXTS[:1], quantity="logit")
    work = Workspace(backend, [backend.tokenize(TEXTS[0])], Capture())
    assert found.quantity == "logit"
    assert found.value == pytest.approx(float(work.next_logits.max()), abs=1e-4)


def test_the_model_is_left_as_it_was(backend: HFCausalBackend, method: Method) -> None:
    batch = backend.batch([backend.tokenize(TEXTS[0])])
    before = backend.forward(batch, Capture()).logits
    attribute(backend, method, TEXTS)
    assert bool((backend.forward(batch, Capture()).logits == before).all())
    assert not any(parameter.requires_grad for parameter in backend.model.parameters())


POISONS = ("gradients", "edited passes")


@contextmanager
def poisoned(backend: HFCausalBackend, where: str) -> Iterator[None]:
    """A model that gives NaN at one place: in its backward pass, or when head 2 of layer 1 is switched off."""

    def backwards(_: Any, __: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        if hidden.requires_grad:
            hidden.register_hook(lambda g: torch.where(torch.arange(g.shape[1])[:, None] == 2, torch.nan, g))

    def forwards(_: Any, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        heads = args[0].view(*args[0].shape[:-1], backend.info.n_heads, -1)
        return torch.where((heads[..., 2, :] == 0).all(-1, keepdim=True), torch.nan, output)

    parts = backend.structure
    handle = (
        parts.layers[1].register_forward_hook(backwards)
        if where == "gradients"
        else parts.head_projections[1].register_forward_hook(forwards)
    )
    try:
        yield
    finally:
        handle.remove()


def test_nan_from_the_model_is_a_failed_attribution_that_says_where(backend: HFCausalBackend) -> None:
    """Every method at once: none leaves a hole as if nothing had been there to explain; the rest of the run stays."""
    spec = RunSpec(backend.info.ref, (), ("heads", *sorted(METHODS)))
    prompt = Prompt("p", "The quick fox found a small door", counterfactual="The quick cat found a small door")
    (healthy,) = run_batch(backend, spec, [prompt])
    failed = {}
    for where in POISONS:
        with poisoned(backend, where):
            (sick,) = run_batch(backend, spec, [prompt])
        assert (sick.status, sick.missing) == (RunStatus.SUCCEEDED, ())
        for one, other in zip(healthy.attributions, sick.attributions, strict=True):
            if other.error is None:
                np.testing.assert_array_equal(np.isnan(other.scores), np.isnan(one.scores))
        failed[where] = {one.method: one.error for one in sick.attributions if one.error is not None}
    assert {"saliency", "integrated_gradients", "attn_lrp", "layer_gradients"} <= failed["gradients"].keys()
    assert not {"occlusion", "head_ablation", "attention_raw", "direct_logit_attribution"} & failed["gradients"].keys()
    assert "at position 0 and" in failed["gradients"]["saliency"]
    off = {"head_ablation", "co_ablation"}  # patching meets it where a head of the partner gives nothing
    assert off <= set(failed["edited passes"]) <= {*off, "activation_patching", "relp"}
    assert "at layer 1, head 2, so" in failed["edited passes"]["head_ablation"]


def test_a_prompt_that_ends_in_nan_has_failed_attributions_alone(backend: HFCausalBackend) -> None:
    bad = int(backend.tokenize(TEXTS[0]).ids[-1])
    module: Any = backend.model.get_input_embeddings()  # type: ignore[operator]
    hurt = module.register_forward_hook(lambda _, args, out: torch.where((args[0] == bad)[..., None], torch.nan, out))
    spec = RunSpec(backend.info.ref, (), ("heads", "saliency"))
    try:
        first, second = run_batch(backend, spec, [Prompt("a", TEXTS[0]), Prompt("b", TEXTS[1])])
    finally:
        hurt.remove()
    assert (first.status, second.status) == (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED)
    assert "no value to explain" in str(first.attributions[0].error)
    assert {part.part for part in first.missing} == {"heads", "trace"}
    assert (second.missing, second.attributions[0].error) == ((), None)


def test_declared_parameters_are_complete(method: Method) -> None:
    for param in METHODS[method.NAME].params:
        assert param.help
        assert param.kind in {"int", "float", "bool", "choice", "text"}
        assert (param.kind == "choice") == bool(param.choices)
    assert method.not_applicable.__doc__
