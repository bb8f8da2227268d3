"""A whole target of several tokens: its joint log-probability, against passes and gradients of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from headscope.analysis.attribution.embedding_path import baseline_embedding
from headscope.analysis.errors import InputError
from headscope.analysis.running import runner
from headscope.analysis.types import Attribution, Prompt, RunSpec
from tests.joint_passes import both, embedded, one_token, tokens

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

PROMPT = Prompt("a", "the cat sat on", " the small door", " a door in the wall")
ALONE = Prompt("b", "one two three", " four five")


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def backend(request: pytest.FixtureRequest) -> HFCausalBackend:
    found: HFCausalBackend = request.getfixturevalue(request.param)
    return found


def explained(backend: HFCausalBackend, *prompts: Prompt, method: str, **params: object) -> list[Attribution]:
    spec = RunSpec(backend.info.ref, (), (method,), params={method: params}, explain="target")
    return [result.attributions[0] for result in runner.run_batch(backend, spec, prompts)]


@pytest.mark.parametrize("prompt", [PROMPT, ALONE], ids=["with a foil", "alone"])
def test_values_and_gradients_are_those_of_the_joint(backend: HFCausalBackend, prompt: Prompt) -> None:
    start = embedded(backend, prompt).requires_grad_()
    value = both(backend, start, prompt)[0]
    (gradient,) = torch.autograd.grad(value, start)
    found = explained(backend, prompt, method="input_x_gradient")[0]
    assert found.value == pytest.approx(value.item(), abs=1e-4)
    assert found.scores == pytest.approx((gradient * start).sum(-1)[0].detach().numpy(), abs=1e-4)
    assert found.quantity == ("joint_logprob_difference" if prompt.foil else "joint_logprob")
    assert (found.target, found.foil) == (prompt.target, prompt.foil)
    assert found.outcome.facts == {
        "target tokens": len(tokens(backend, prompt, prompt.target or "")[1]),
        "foil tokens": len(tokens(backend, prompt, prompt.foil)[1]) if prompt.foil else 0,
    }


def test_integrated_gradients_are_captums_with_the_target_held(backend: HFCausalBackend) -> None:
    start = embedded(backend, PROMPT)
    baseline = baseline_embedding(backend, "mean")[1].expand_as(start).clone()
    baseline[:, 0] = start[:, 0]
    ours = explained(backend, PROMPT, method="integrated_gradients", baseline="mean", rule="gausslegendre", n_steps=40)[
        0
    ]
    theirs = IntegratedGradients(lambda rows: both(backend, rows, PROMPT)).attribute(start, baseline, n_steps=40)
    assert ours.scores[1:] == pytest.approx(theirs.sum(-1)[0, 1:].detach().numpy(), abs=2e-4)
    change = both(backend, start, PROMPT)[0] - both(backend, baseline, PROMPT)[0]
    assert ours.outcome.value_change == pytest.approx(float(change), abs=1e-4)


@torch.no_grad()
def test_occlusion_is_the_change_of_the_joint(backend: HFCausalBackend) -> None:
    start = embedded(backend, PROMPT)
    absent = baseline_embedding(backend, "mean")[1]
    found = explained(backend, PROMPT, method="occlusion", unit="token", masking="mean")[0]
    for position in range(1, start.shape[1]):
        without = start.clone()
        without[0, position] = absent
        change = both(backend, start, PROMPT)[0] - both(backend, without, PROMPT)[0]
        assert found.scores[position] == pytest.approx(float(change), abs=1e-4)
    assert len(found.scores) == start.shape[1]


@pytest.mark.parametrize("rule", ["attn_lrp", "cp_lrp"])
def test_relevance_and_what_rests_on_the_targets_own_tokens_add_up(backend: HFCausalBackend, rule: str) -> None:
    found = explained(backend, PROMPT, method=rule)[0]
    assert found.quantity == "joint_logit_difference" or found.quantity == "joint_logit"
    assert "the target's own tokens" in found.outcome.terms
    whole = float(found.scores.sum()) + sum(found.outcome.terms.values())
    assert whole == pytest.approx(found.value, abs=1e-3)


def test_an_unsigned_method_averages_over_the_target_and_leaves_the_foil_out(tiny_gpt2: HFCausalBackend) -> None:
    with_foil, alone = explained(tiny_gpt2, PROMPT, Prompt("c", PROMPT.text, PROMPT.target), method="attention_mean")
    assert with_foil.quantity == "joint_logprob"
    assert with_foil.foil is None
    assert with_foil.scores == pytest.approx(alone.scores)
    assert 0 < float(with_foil.scores.sum()) <= 1 + 1e-5  # the rest lies on the target's own tokens


def test_a_batch_is_each_prompt_alone(backend: HFCausalBackend) -> None:
    short = Prompt("d", "the cat", " sat", " a")
    for one, alone in zip(
        explained(backend, PROMPT, short, ALONE, method="input_x_gradient"),
        [explained(backend, prompt, method="input_x_gradient")[0] for prompt in (PROMPT, short, ALONE)],
        strict=True,
    ):
        assert one.scores == pytest.approx(alone.scores, abs=1e-5)


def test_of_one_token_it_is_the_ordinary_answer(backend: HFCausalBackend) -> None:
    prompt = one_token(backend, "the cat")
    spec = RunSpec(backend.info.ref, (), ("input_x_gradient",))
    ordinary = runner.run_batch(backend, spec, [prompt])[0].attributions[0]
    found = explained(backend, prompt, method="input_x_gradient")[0]
    assert found.scores == pytest.approx(ordinary.scores, abs=1e-5)


def test_a_foil_that_begins_like_the_target_can_be_explained_and_the_same_one_cannot(
    tiny_gpt2: HFCausalBackend,
) -> None:
    alike = Prompt("e", "the cat sat on", " the small door", " the small wall")
    same = Prompt("f", "the cat sat on", " the door", " the door")
    found, failed = explained(tiny_gpt2, alike, same, method="input_x_gradient")
    assert found.error is None
    assert np.isfinite(found.scores).all()
    assert failed.error is not None
    assert "same tokens" in failed.error


def test_a_joint_is_of_log_probabilities(tiny_gpt2: HFCausalBackend) -> None:
    with pytest.raises(InputError, match="joint log-probability"):
        runner.run_batch(
            tiny_gpt2, RunSpec(tiny_gpt2.info.ref, (), ("saliency",), quantity="logit", explain="target"), [PROMPT]
        )
