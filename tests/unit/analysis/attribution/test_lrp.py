"""Relevance against an explicit propagation of relevances (no gradients); its conservation; what it leaves behind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from headscope.analysis.attribution.lrp import relevance, why_no_lrp
from headscope.analysis.attribution.lrp_rules import RULES, relevance_rules
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.attn_lrp import AttnLrp
from headscope.analysis.methods.cp_lrp import CpLrp
from headscope.analysis.methods.direct_logit_attribution import DirectLogitAttribution
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace
from tests.families import FAMILIES, GROUPED, PLAIN, build
from tests.lrp_reference import explicit_relevance
from tests.lrp_reference_gpt2 import explicit_relevance_gpt2

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ("The quick fox found a small door", "One two three", "She thinks that he thinks that the train is late")
METHODS: dict[str, type[AttnLrp] | type[CpLrp]] = {"attn_lrp": AttnLrp, "cp_lrp": CpLrp}


def workspace(backend: HFCausalBackend, texts: tuple[str, ...] = TEXTS, **options: Any) -> Workspace:
    return Workspace(backend, [backend.tokenize(text) for text in texts], Capture(), **options)


def targets(work: Workspace, foil: int = -1) -> list[Target]:
    found = [Target(int(row.argmax()), "t", 1, "predicted", 0.0, 1) for row in work.next_logits]
    return [replace(target, foil_id=foil, foil_text="f") for target in found] if foil >= 0 else found


@pytest.mark.parametrize("rule", RULES)
def test_relevances_are_those_of_the_rules_written_out(backend: HFCausalBackend, rule: str) -> None:
    work = workspace(backend, TEXTS[:1])
    (target,) = targets(work)
    written_out = explicit_relevance if "Llama" in backend.info.architecture else explicit_relevance_gpt2
    expected = written_out(backend.model, work.batch.input_ids[0], target.token_id, rule)
    found = relevance(backend, work.embeddings, work.positions, [target], rule)
    scale = float(np.abs(expected.layers).max())
    np.testing.assert_allclose(found.layers[:, 0].numpy(), expected.layers, atol=2e-4 * scale)
    np.testing.assert_allclose(torch.stack(found.heads)[:, 0].numpy(), expected.heads, atol=2e-4 * scale)
    assert float(found.tokens.sum() + found.position) == pytest.approx(expected.layers[0].sum(), abs=2e-4 * scale)
    assert float(found.bias[0]) == pytest.approx(expected.bias, abs=2e-4 * scale)
    assert float(found.leak[0]) == pytest.approx(expected.leak, abs=2e-4 * scale)
    assert abs(expected.leak) > 0.1 or rule == "cp_lrp"


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("foil", [-1, 7])
def test_everything_adds_up_to_the_logit(backend: HFCausalBackend, rule: str, foil: int) -> None:
    work = workspace(backend)
    wanted = targets(work, foil)
    found = METHODS[rule]().attribute(work, wanted, {})
    for i, (one, target) in enumerate(zip(found, wanted, strict=True)):
        logits = work.next_logits[i]
        value = logits[target.token_id] - (logits[foil] if foil >= 0 else 0)
        parts = [one.outcome.terms[name] for name in ("softmax leak", "position embeddings", "biases")]
        assert one.value == pytest.approx(float(value), abs=1e-5)
        assert float(one.scores.sum()) + sum(parts) == pytest.approx(one.value, abs=2e-5)
        assert one.convergence_delta == pytest.approx(0, abs=2e-5)
        assert one.quantity == ("logprob_difference" if foil >= 0 else "logit")
        layers = one.layer_scores
        assert layers is not None
        # GPT-2 adds positions before its first layer; what the last norm reads is the last position's alone
        assert float(layers[0].sum()) == pytest.approx(float(one.scores.sum()) + parts[1], abs=2e-5)
        assert (layers[-1, :-1] == 0).all()
        assert (parts[0] == 0) == (rule == "cp_lrp")
        has_biases = backend.info.architecture == "GPT2LMHeadModel"
        assert (abs(parts[1]) > 0.01, abs(parts[2]) > 0.01) == (has_biases, has_biases)


@pytest.mark.parametrize("rule", RULES)
def test_the_heads_of_a_layer_add_up_to_the_relevance_of_its_attention(tiny_llama: HFCausalBackend, rule: str) -> None:
    """Llama's output projection has no bias, which would have a share of its own."""
    blocks: dict[int, torch.Tensor] = {}

    def watch(layer: int, output: torch.Tensor) -> None:
        if output.requires_grad:
            output.register_hook(lambda g: blocks.update({layer: (g * output).detach().sum((1, 2))}))

    handles = [
        module.register_forward_hook(lambda _, __, output, layer=layer: watch(layer, output))
        for layer, module in enumerate(tiny_llama.structure.head_projections)
    ]
    work = workspace(tiny_llama)
    found = METHODS[rule]().attribute(work, targets(work), {})
    for handle in handles:
        handle.remove()
    for i, one in enumerate(found):
        assert one.head_scores is not None
        assert one.head_scores.shape == (3, 4)
        np.testing.assert_allclose(one.head_scores.sum(1), [float(blocks[layer][i]) for layer in range(3)], atol=2e-5)


@pytest.mark.parametrize("rule", RULES)
def test_a_contrast_is_the_difference_of_two_relevances(backend: HFCausalBackend, rule: str) -> None:
    work = workspace(backend)
    plain = targets(work)
    foils = [replace(target, token_id=7) for target in plain]
    both, one, other = (
        relevance(backend, work.embeddings, work.positions, wanted, rule).tokens
        for wanted in (targets(work, 7), plain, foils)
    )
    torch.testing.assert_close(both, one - other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_an_earlier_position_is_explained_by_what_comes_before_it(backend: HFCausalBackend, rule: str) -> None:
    work = workspace(backend, TEXTS[:1], positions=[3])
    (found,) = METHODS[rule]().attribute(work, targets(work), {})
    assert np.isfinite(found.scores[:4]).all()
    assert np.isnan(found.scores[4:]).all()
    assert found.convergence_delta == pytest.approx(0, abs=2e-5)
    assert found.layer_scores is not None
    assert np.isnan(found.layer_scores[:, 4:]).all()


def test_the_model_is_restored_even_after_an_exception(backend: HFCausalBackend) -> None:
    batch = backend.batch([backend.tokenize(TEXTS[0])])
    before = backend.forward(batch, Capture()).logits
    config: Any = backend.model.config
    implementation = config._attn_implementation
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in backend.model.modules()]

    def break_off() -> None:
        with relevance_rules(backend, "attn_lrp", 1):
            backend.structure.base(inputs_embeds=backend.embed(batch), use_cache=False)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert config._attn_implementation == implementation
    assert [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in backend.model.modules()] == hooks
    assert bool((backend.forward(batch, Capture()).logits == before).all())


def test_the_forward_pass_is_the_same_under_the_rules(backend: HFCausalBackend) -> None:
    batch = backend.batch([backend.tokenize(text) for text in TEXTS])
    before = backend.forward(batch, Capture(last_logits_only=True)).logits[:, 0]
    with relevance_rules(backend, "attn_lrp", 3) as ledger, torch.no_grad():
        hidden = backend.structure.base(inputs_embeds=backend.embed(batch), use_cache=False).last_hidden_state
        model: Any = backend.model
        logits = model.get_output_embeddings()(hidden[torch.arange(3), batch.lengths - 1])
    torch.testing.assert_close(logits, before, rtol=1e-5, atol=1e-5)
    assert len(ledger.heads) == backend.info.n_layers


def test_both_rules_fit_both_architectures(backend: HFCausalBackend) -> None:
    assert [why_no_lrp(backend, rule) for rule in RULES] == [None, None]


FITTING = {
    "Qwen2Config": GROUPED,
    "Qwen3Config": GROUPED,  # norms of queries and keys
    "MistralConfig": GROUPED | {"sliding_window": 4},
    "GemmaConfig": GROUPED,  # norms that scale by one plus their weight, scaled embeddings
    "Gemma3TextConfig": GROUPED | {"sliding_window": 4},  # norms after the sublayers too
    "GPTNeoXConfig": PLAIN,  # attention and MLP side by side, biases
    "OPTConfig": FAMILIES["OPTConfig"],
    "Olmo2Config": GROUPED,
}


@pytest.mark.parametrize("name", FITTING)
def test_relevance_and_direct_attribution_add_up_in_other_architectures(
    tmp_path: Path, tiny_gpt2_dir: Path, name: str
) -> None:
    backend = HFCausalBackend.load(str(build(tmp_path / "model", tiny_gpt2_dir, name, FITTING[name])))
    work = workspace(backend, TEXTS[:2])
    wanted = targets(work)
    for method in (AttnLrp(), CpLrp(), DirectLogitAttribution()):
        assert method.not_applicable(backend) is None
        for one in method.attribute(work, wanted, {}):
            size = float(np.abs(one.scores).sum())
            assert one.convergence_delta == pytest.approx(0, abs=1e-5 * max(1.0, size))
            assert float(one.scores.sum()) + sum(one.outcome.terms.values()) == pytest.approx(one.value, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("MixtralConfig", None, "relevance is not conserved in MixtralForCausalLM"),
        ("Gemma2Config", None, "the logits of Gemma2ForCausalLM are capped at 30"),
        (
            "Gemma2Config",
            GROUPED | {"final_logit_softcapping": None},
            "attention scores of Gemma2ForCausalLM are capped",
        ),
        ("CohereConfig", None, "the logits of CohereForCausalLM are scaled after the unembedding"),
        ("OlmoConfig", GROUPED, "the final norm of OlmoForCausalLM, OlmoLayerNorm, is none of those known here"),
        ("GPTNeoConfig", None, "does not let its attention be replaced"),
    ],
)
def test_other_architectures_are_told_why_not(
    tmp_path: Path, tiny_gpt2_dir: Path, name: str, settings: dict[str, Any] | None, reason: str
) -> None:
    backend = HFCausalBackend.load(str(build(tmp_path / "model", tiny_gpt2_dir, name, settings)))
    for rule in RULES:
        assert reason in str(METHODS[rule]().not_applicable(backend))
