"""Activation patching and RelP against whole passes, one activation exchanged in each."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from headscope.analysis.attribution.patching import counterparts
from headscope.analysis.backends import suffix
from headscope.analysis.interfaces import Capture
from headscope.analysis.interventions import Edit, Point, Put
from headscope.analysis.methods.activation_patching import ActivationPatching
from headscope.analysis.methods.relp import RelP
from headscope.analysis.running.pairs import key_of
from headscope.analysis.running.runner import run_batch
from headscope.analysis.types import (
    Attribution,
    GenerationParams,
    Prompt,
    RunSpec,
    Target,
    TokenizedText,
    with_partners,
)
from headscope.analysis.types.attributions import partner_of
from headscope.analysis.workspace import Workspace, quantities

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

# the same number of tokens for both tiny tokenizers
CLEAN, CORRUPTED = "One two three, the river ran", "One two three, the bread ran"
LONGER = "One two three and four, the bread ran"
TARGET = Target(7, "t", 1, "given", 0.0, 1, foil_id=9, foil_text="f")
POINTS: dict[str, Point] = {"residual": "residual", "attention": "attention_output", "mlp": "mlp_output"}


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def backend(request: pytest.FixtureRequest) -> HFCausalBackend:
    found: HFCausalBackend = request.getfixturevalue(request.param)
    return found


def attributed(backend: HFCausalBackend, method: Any, params: dict[str, Any], partner: str = CORRUPTED) -> Attribution:
    work = Workspace(backend, [backend.tokenize(CLEAN)], Capture())
    work.partners = (backend.tokenize(partner),)
    (found,) = method.attribute(work, [TARGET], params)
    return found


def whole_pass(backend: HFCausalBackend, text: TokenizedText, edits: list[Edit]) -> float:
    with backend.interventions(edits):
        logits = backend.forward(backend.batch([text]), Capture()).logits[:, -1]
    return float(quantities(logits, [TARGET])[0])


def activation(backend: HFCausalBackend, text: TokenizedText, point: Point, layer: int) -> torch.Tensor:
    """`[1, T, ...]`."""
    seen: list[torch.Tensor] = []

    def look(part: torch.Tensor) -> torch.Tensor:
        seen.append(part.detach().clone())
        return part

    whole_pass(backend, text, [Edit(point, layer, look)])
    return seen[0]


def effects(backend: HFCausalBackend, source: TokenizedText, base: TokenizedText) -> np.ndarray:
    """Values `[layer, head and MLP]`, one whole pass for each component put in at every position."""
    found = np.empty((backend.info.n_layers, backend.info.n_heads + 1))
    for layer in range(len(found)):
        heads = activation(backend, source, "head_output", layer)
        for head in range(backend.info.n_heads):
            edit = Edit("head_output", layer, Put(heads[:, :, head]), head=head)
            found[layer, head] = whole_pass(backend, base, [edit])
        put = Put(activation(backend, source, "mlp_output", layer))
        found[layer, -1] = whole_pass(backend, base, [Edit("mlp_output", layer, put)])
    return found


@pytest.mark.parametrize("partner", [CORRUPTED, LONGER])
@pytest.mark.parametrize("direction", ["restore", "break"])
@pytest.mark.parametrize("component", [*POINTS, "head"])
def test_every_score_equals_a_whole_pass(
    backend: HFCausalBackend, component: str, direction: str, partner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suffix, "TOKENS_PER_PASS", 30)  # several passes per layer
    own, other = backend.tokenize(CLEAN), backend.tokenize(partner)
    found = attributed(backend, ActivationPatching(), {"component": component, "direction": direction}, partner)
    clean, corrupted = (whole_pass(backend, text, []) for text in (own, other))
    assert found.value == pytest.approx(clean, abs=1e-5)
    assert found.outcome.facts["value after it"] == pytest.approx(corrupted, abs=1e-5)
    restoring = direction == "restore"
    source, base = (own, other) if restoring else (other, own)
    before, after = (corrupted, clean) if restoring else (clean, corrupted)
    if component == "head":
        if partner == CORRUPTED:
            shares = (effects(backend, source, base)[:, :-1] - before) / (after - before)
            np.testing.assert_allclose(found.scores, shares, atol=1e-3)
        assert found.axes == ("layer", "head")
        return
    expected = np.full((backend.info.n_layers, len(own)), np.nan)
    for layer in range(len(expected)):
        put = activation(backend, source, POINTS[component], layer)
        for here, there in counterparts(own, other):
            taken, given = (here, there) if restoring else (there, here)
            edit = Edit(POINTS[component], layer, Put(put[:, taken][:, None]), positions=[given])
            expected[layer, here] = (whole_pass(backend, base, [edit]) - before) / (after - before)
    np.testing.assert_allclose(found.scores, expected, atol=1e-3)
    assert np.nanmax(np.abs(found.scores)) > 0.01
    assert bool(found.outcome.not_explained) == bool(np.isnan(expected).any())


def test_words_of_another_number_of_tokens_have_no_counterpart(backend: HFCausalBackend) -> None:
    own, other = backend.tokenize(CLEAN), backend.tokenize(LONGER)
    places = counterparts(own, other)
    assert (len(own) - 1, len(other) - 1) in places
    assert len(places) < len(other)
    assert all(own.texts[a].strip() == other.texts[b].strip() for a, b in places if own.texts[a] == " ran")


def linear(backend: HFCausalBackend) -> HFCausalBackend:
    """A copy whose norms divide by a constant, whose attention looks at all tokens alike and whose MLPs are linear (of
    gated ones: nothing), so that every component's effect is linear."""
    found = deepcopy(backend)
    for name, module in found.model.named_modules():
        weight = getattr(module, "weight", None)
        if "norm" in name or "ln_" in name:
            setattr(module, "eps" if hasattr(module, "eps") else "variance_epsilon", 1e8)
            weight.data *= 1e4
        elif name.endswith(("q_proj", "gate_proj")):
            weight.data.zero_()
        elif name.endswith("c_attn"):
            weight.data[:, :32] = 0
            module.bias.data[:32] = 0
        elif name.endswith(".mlp") and hasattr(module, "act"):
            module.act = nn.Identity()
    return found


def test_where_the_model_is_linear_relevance_patching_is_patching(backend: HFCausalBackend) -> None:
    model = linear(backend)
    own, other = model.tokenize(CLEAN), model.tokenize(CORRUPTED)
    for rules in ("lrp", "gradient"):
        found = attributed(model, RelP(), {"rules": rules})
        value = whole_pass(model, own, [])
        assert found.value == pytest.approx(value, rel=1e-4)
        measured = effects(model, other, own) - value
        assert np.abs(measured).max() > 0.01
        np.testing.assert_allclose(found.scores, measured, atol=2e-3 * np.abs(measured).max())
        assert found.outcome.facts["correlation with patching, heads"] == pytest.approx(1, abs=1e-3)


def test_gradients_are_those_of_mixing_the_partner_in(backend: HFCausalBackend) -> None:
    """The derivative of the logit by how much of the partner's activation stands in the place of the own one."""
    own, other = backend.tokenize(CLEAN), backend.tokenize(CORRUPTED)
    n_layers, n_heads = backend.info.n_layers, backend.info.n_heads
    mixed = torch.zeros(n_layers, n_heads + 1, requires_grad=True)
    edits = []
    for layer in range(n_layers):
        heads, mlp = (activation(backend, other, point, layer) for point in ("head_output", "mlp_output"))
        edits += [
            Edit("head_output", layer, lambda x, p=heads, a=mixed[layer, :-1, None]: x + a * (p - x.detach())),
            Edit("mlp_output", layer, lambda x, p=mlp, a=mixed[layer, -1]: x + a * (p - x.detach())),
        ]
    with backend.interventions(edits), torch.enable_grad():
        logits = backend.forward(backend.batch([own]), Capture(gradients=True)).logits[:, -1]
        (expected,) = torch.autograd.grad(quantities(logits, [TARGET])[0], mixed)
    found = attributed(backend, RelP(), {"rules": "gradient"})
    np.testing.assert_allclose(found.scores, expected.numpy(), atol=1e-5)
    rules = attributed(backend, RelP(), {"measure": False})
    assert not np.allclose(rules.scores, found.scores, atol=1e-3)
    assert not any("correlation" in label for label in rules.outcome.facts)


def test_the_correlation_is_that_with_whole_passes(backend: HFCausalBackend) -> None:
    own, other = backend.tokenize(CLEAN), backend.tokenize(CORRUPTED)
    found = attributed(backend, RelP(), {})
    measured = effects(backend, other, own)
    for label, part in (("heads", np.s_[:, :-1]), ("MLPs", np.s_[:, -1])):
        expected = np.corrcoef(found.scores[part].ravel(), measured[part].ravel())[0, 1]
        assert found.outcome.facts[f"correlation with patching, {label}"] == pytest.approx(expected, abs=1e-3)


def test_pairs_in_a_run(tiny_gpt2: HFCausalBackend) -> None:
    prompts = with_partners([
        Prompt("a", CLEAN, pair_id="p"), Prompt("b", CORRUPTED, pair_id="p"), Prompt("c", CLEAN),
        Prompt("d", CLEAN, counterfactual=CLEAN), Prompt("e", CLEAN, counterfactual="one " * 80),
        Prompt("f", CLEAN, pair_id="q"), Prompt("g", CLEAN, pair_id="r", invalid="no text"),
    ])  # fmt: skip
    assert [prompt.counterfactual for prompt in prompts[:3]] == [CORRUPTED, CLEAN, None]
    assert prompts[5].counterfactual is None
    spec = RunSpec(tiny_gpt2.info.ref, (), ("activation_patching", "relp", "receipts"))
    results = run_batch(tiny_gpt2, spec, prompts[:5])
    for result in results[:2]:
        assert [found.error for found in result.attributions] == [None, None]
        assert partner_of(result.attributions) == result.prompt.counterfactual
    for result, reason in zip(results[2:], ("this prompt has none", "do not differ", "cannot be read"), strict=True):
        assert reason in str(result.attributions[0].error)
    alone = replace(prompts[0], counterfactual=None)
    plain = replace(spec, analyses=("saliency",))
    assert key_of(tiny_gpt2.info, plain, prompts[0]) == key_of(tiny_gpt2.info, plain, alone)
    assert key_of(tiny_gpt2.info, spec, prompts[0]) != key_of(tiny_gpt2.info, spec, alone)
    assert results[0].result_key == key_of(tiny_gpt2.info, spec, prompts[0])
    longer = replace(spec, explain="continuation", generation=GenerationParams(2))
    (result,) = run_batch(tiny_gpt2, longer, prompts[:1])
    assert "explain the next token instead" in str(result.attributions[0].error)
