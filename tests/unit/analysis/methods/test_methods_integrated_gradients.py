from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headscope.analysis.attribution.embedding_path import EmbeddingPath
from headscope.analysis.attribution.quadrature import AdaptiveIntegral, error_scale
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.integrated_gradients import IntegratedGradients
from headscope.analysis.types import Attribution
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXTS = ("The quick fox found a small door", "One two three", "She thinks that he thinks")
METHOD = IntegratedGradients()


def attribute(
    backend: HFCausalBackend, texts: tuple[str, ...], foil: bool = False, **params: Any
) -> tuple[list[Attribution], Workspace]:
    work = Workspace(backend, [backend.tokenize(text) for text in texts], Capture(gradients=True))
    targets = [
        backend.resolve_target(text, " the", " a" if foil else None, row)
        for text, row in zip(work.texts, work.next_logprobs, strict=True)
    ]
    return METHOD.attribute(work, targets, params), work


@pytest.mark.parametrize("rule", ["gausslegendre", "riemann_middle"])
@pytest.mark.parametrize("baseline", ["zero", "eos", "mean"])
@pytest.mark.parametrize("hold_first", [True, False])
def test_fixed_rules_equal_captum(backend: HFCausalBackend, rule: str, baseline: str, hold_first: bool) -> None:
    found, work = attribute(backend, TEXTS, rule=rule, baseline=baseline, hold_first=hold_first, n_steps=20)
    weight = backend.model.get_input_embeddings().weight  # type: ignore[operator]
    start = {"zero": weight[0] * 0, "mean": weight.mean(0), "eos": weight[backend.model.config.eos_token_id]}[baseline]  # type: ignore[union-attr,index]
    for text, attribution in zip(work.texts, found, strict=True):
        embeddings = backend.embed(backend.batch([text]))
        begin = start.expand_as(embeddings).clone()
        if hold_first:
            begin[:, 0] = embeddings[:, 0]
        token = int(backend.resolve_target(text, " the", None, work.next_logprobs[0]).token_id)

        def forward(x: torch.Tensor, token: int = token) -> torch.Tensor:
            return torch.log_softmax(backend.model(inputs_embeds=x).logits[:, -1], -1)[:, token]

        expected, delta = CaptumIntegratedGradients(forward).attribute(
            embeddings, begin, n_steps=20, method=rule, return_convergence_delta=True
        )
        scores = expected[0].sum(-1).detach().numpy()
        first = int(hold_first)
        assert np.isnan(attribution.scores[:first]).all()
        assert np.abs(attribution.scores[first:] - scores[first:]).max() < 1e-3 * np.abs(scores).max()
        assert attribution.convergence_delta == pytest.approx(float(delta), abs=1e-3)
        assert attribution.outcome.steps == 20


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(
        st.sampled_from(["the", "fox", "door", "river", "house", "snow", "late", "two"]), min_size=2, max_size=8
    ),
    baseline=st.sampled_from(["zero", "eos", "mean"]),
    foil=st.booleans(),
)
def test_scores_add_up_to_the_change_of_the_value(
    tiny_gpt2: HFCausalBackend, words: list[str], baseline: str, foil: bool
) -> None:
    text = " ".join(words)
    (found,), work = attribute(
        tiny_gpt2, (text,), foil, baseline=baseline, tolerance=1e-3, agreement=1e-2, max_steps=400
    )
    assert found.outcome.converged
    change = found.outcome.value_change
    assert float(np.nansum(found.scores)) == pytest.approx(change, abs=2e-3 * max(1.0, abs(change)))
    assert found.value == pytest.approx(found.outcome.value_change + baseline_value(work, found, baseline), abs=1e-3)


def baseline_value(work: Workspace, found: Attribution, baseline: str) -> float:
    """The quantity at the path's start, from the model alone."""
    model, ids = work.backend.model, torch.tensor(work.texts[0].ids.astype(np.int64))[None]
    weight = model.get_input_embeddings().weight  # type: ignore[operator]
    start = {"zero": weight[0] * 0, "mean": weight.mean(0), "eos": weight[model.config.eos_token_id]}[baseline]  # type: ignore[union-attr,index]
    embeddings = start.expand(1, ids.shape[1], -1).clone()
    embeddings[:, 0] = weight[ids[0, 0]]
    with torch.no_grad():
        logprobs = torch.log_softmax(model(inputs_embeds=embeddings).logits[0, -1], -1)
    target = work.backend.resolve_target(work.texts[0], " the", " a" if found.foil else None, logprobs)
    return target.logprob - (target.foil_logprob if found.foil else 0.0)


def test_the_adaptive_rule_agrees_with_a_very_fine_fixed_one(backend: HFCausalBackend) -> None:
    fine, _ = attribute(backend, TEXTS, rule="gausslegendre", n_steps=300)
    adaptive, _ = attribute(backend, TEXTS, tolerance=1e-3, agreement=1e-2, max_steps=400)
    for one, other in zip(adaptive, fine, strict=True):
        assert one.outcome.converged
        scale = max(1.0, abs(one.outcome.value_change))
        np.testing.assert_allclose(one.scores[1:], other.scores[1:], atol=1e-2 * scale)  # what `agreement` allows


def test_a_batch_equals_prompts_alone_and_passes_may_be_split(
    backend: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, _ = attribute(backend, TEXTS)
    alone = [attribute(backend, (text,))[0][0] for text in TEXTS]
    monkeypatch.setattr("headscope.analysis.attribution.embedding_path.BYTES_PER_PASS", 1)  # one row a pass
    split, _ = attribute(backend, TEXTS)
    for one, other, third in zip(together, alone, split, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(one.scores, third.scores, rtol=1e-3, atol=1e-4)
        assert one.outcome.steps == other.outcome.steps == third.outcome.steps


def test_what_does_not_converge_says_so(backend: HFCausalBackend) -> None:
    found, _ = attribute(backend, TEXTS[:1], tolerance=1e-6, agreement=1e-6, max_steps=17)
    assert found[0].outcome.converged is False
    assert found[0].outcome.steps == 17
    assert found[0].outcome.error > 0
    assert found[0].error is None


def test_only_a_held_token_leaves_nothing_to_explain(tiny_gpt2: HFCausalBackend) -> None:
    (found,), _ = attribute(tiny_gpt2, ("a",))
    assert found.error is not None
    assert "nothing is left" in found.error
    assert found.scores.size == 0
    (moved,), _ = attribute(tiny_gpt2, ("a",), hold_first=False)
    assert moved.error is None
    assert moved.scores.shape == (1,)


def test_a_model_without_end_of_text_token_starts_from_the_mean(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_gpt2.model.config, "eos_token_id", None)
    (found,), _ = attribute(tiny_gpt2, TEXTS[:1], baseline="eos")
    (mean,), _ = attribute(tiny_gpt2, TEXTS[:1], baseline="mean")
    assert found.params["baseline"] == "eos"
    assert found.outcome.facts == {"baseline used": "mean: this model's vocabulary has no eos token"}
    np.testing.assert_array_equal(found.scores, mean.scores)


def test_the_newline_baseline_is_the_last_token_of_a_line_break(backend: HFCausalBackend) -> None:
    work = Workspace(backend, [backend.tokenize(TEXTS[0])], Capture(gradients=True))
    target = backend.resolve_target(work.texts[0], " the", None, work.next_logprobs[0])
    path = EmbeddingPath(work, [target], "newline", True)
    token = int(backend.tokenize("\n").ids[-1])
    assert path.baseline == "newline"
    assert "\n" in backend.decode([token])[0]
    embeddings = backend.model.get_input_embeddings().weight[token].expand(1, len(work.texts[0]), -1).clone()  # type: ignore[operator]
    embeddings[:, 0] = backend.embed(work.batch)[:, 0]
    with torch.no_grad():
        logits = backend.model(inputs_embeds=embeddings).logits[0, -1]
    _, values = path.evaluate([0], [0.0])
    assert float(values[0]) == pytest.approx(float(torch.log_softmax(logits, -1)[target.token_id]), abs=1e-4)


def integrate(rate: Any, antiderivative: Any, max_steps: int) -> AdaptiveIntegral:
    integral, more = AdaptiveIntegral(), True
    while more:
        for node in integral.wanted():
            integral.add(node, np.array(rate(node)), antiderivative(node))
        more = abs(integral.delta) > 1e-6 and integral.refine(1, max_steps)
    return integral


def test_simpson_is_exact_for_cubics() -> None:
    found = integrate(lambda a: [4 * a**3, 2 * a], lambda a: a**4 + a**2, 17)
    assert found.steps == 17
    np.testing.assert_allclose(found.estimate, [1.0, 1.0], rtol=1e-12)
    np.testing.assert_allclose(found.errors, 0.0, atol=1e-12)
    assert found.delta == pytest.approx(0, abs=1e-12)


def test_refinement_goes_where_the_integrand_is_rough() -> None:
    width = 0.004
    found = integrate(
        lambda a: [math.exp(-(((a - 0.3) / width) ** 2)) / width, 1.0],
        lambda a: math.sqrt(math.pi) / 2 * math.erf((a - 0.3) / width) + a,
        2000,
    )
    np.testing.assert_allclose(found.estimate, [math.sqrt(math.pi), 1.0], atol=1e-5)
    assert found.steps < 250  # an even grid as fine as its finest panel would take thousands


def test_refinement_keeps_within_its_steps_and_stops_at_nan() -> None:
    found = integrate(lambda a: [math.sin(300 * a)], lambda a: -math.cos(300 * a) / 300, 30)
    assert found.steps <= 30
    broken = AdaptiveIntegral()
    for node in broken.wanted():
        broken.add(node, np.array([float("nan")]), 0.0)
    assert not broken.finite


def test_errors_of_panels_do_not_cancel() -> None:
    """Two bumps of opposite sign, one in each half: the rules differ there, and the difference of the sums is zero."""

    def bump(a: float) -> float:
        return math.exp(-(((a - 0.19) / 0.05) ** 2)) - math.exp(-(((1 - a - 0.19) / 0.05) ** 2))

    found = AdaptiveIntegral()
    for node in found.wanted():
        found.add(node, np.array([bump(node), 1.0]), node)
    assert found.estimate[0] == pytest.approx(0, abs=1e-12)
    assert found.errors[0] > 0.01
    assert found.errors[1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rule", ["adaptive", "gausslegendre", "riemann_middle"])
def test_every_token_has_its_own_error_and_the_largest_decides(backend: HFCausalBackend, rule: str) -> None:
    fine, _ = attribute(backend, TEXTS, rule="gausslegendre", n_steps=300)
    found, _ = attribute(backend, TEXTS, rule=rule, n_steps=40)
    for text, one, other in zip(TEXTS, found, fine, strict=True):
        assert one.score_errors is not None
        np.testing.assert_array_equal(np.isnan(one.score_errors), np.isnan(one.scores))
        assert (np.abs(one.scores - other.scores)[1:] <= one.score_errors[1:] + 1e-5).all()
        scale, worst = np.nanmax(np.abs(one.scores)), np.nanmax(one.score_errors)
        assert one.outcome.error == pytest.approx(worst, rel=1e-5)
        for share, converged in ((1.01, True), (0.99, False)):
            limit = {"tolerance": 1.0, "agreement": float(share * worst / scale), "max_steps": one.outcome.steps}
            (again,), _ = attribute(backend, (text,), rule=rule, n_steps=40, **limit)
            assert again.outcome.converged is converged


def test_errors_are_judged_by_the_largest_score_however_small() -> None:
    assert error_scale(np.array([0.0, -0.02, 0.01])) == pytest.approx(0.02)


def test_tokens_equal_to_the_baseline_are_not_explained(backend: HFCausalBackend) -> None:
    text = "The quick fox\nfound a small\ndoor"
    (found,), work = attribute(backend, (text,))
    same = work.texts[0].ids == backend.tokenize("\n").ids[-1]
    same[0] = False
    assert same.sum() == 2
    np.testing.assert_array_equal(np.isnan(found.scores), same | (np.arange(len(same)) == 0))
    assert ", ".join(map(str, np.flatnonzero(same))) in found.outcome.not_explained
    assert "0 by construction" in found.outcome.not_explained
    (other,), _ = attribute(backend, (text,), baseline="mean")
    assert np.isfinite(other.scores[1:]).all()
    assert "0 by construction" not in other.outcome.not_explained


def test_the_result_says_why_the_first_token_has_no_score(
    tiny_gpt2: HFCausalBackend, tiny_llama: HFCausalBackend
) -> None:
    for backend, option in ((tiny_gpt2, True), (tiny_llama, False)):  # Llama has its start token already
        (found,), _ = attribute(backend, TEXTS[:1], baseline="mean")
        said = found.outcome.not_explained
        assert np.flatnonzero(np.isnan(found.scores)).tolist() == [0]
        assert "first token is held" in said
        assert ("--start-token" in said) is option
    (free,), _ = attribute(tiny_gpt2, TEXTS[:1], baseline="mean", hold_first=False)
    assert free.outcome.not_explained == ""


def test_a_prompt_of_nothing_but_the_baseline_fails_with_the_reason(tiny_gpt2: HFCausalBackend) -> None:
    (found,), _ = attribute(tiny_gpt2, ("\n\n\n",))
    assert found.error is not None
    assert "0 by construction" in found.error
    assert found.scores.size == 0
