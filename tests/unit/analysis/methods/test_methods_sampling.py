"""Methods that draw samples, and layer gradients, against captum and gradients taken by hand."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from captum.attr import GradientShap, LayerGradientXActivation, NoiseTunnel
from captum.attr import Saliency as CaptumSaliency
from captum.attr._core.gradient_shap import InputBaselineXGradient

from headscope.analysis.attribution.embedding_path import graph_bytes
from headscope.analysis.attribution.sampling_rows import generator_of
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.expected_gradients import ExpectedGradients
from headscope.analysis.methods.input_x_gradient import InputXGradient
from headscope.analysis.methods.layer_gradients import LayerGradients
from headscope.analysis.methods.saliency import Saliency
from headscope.analysis.methods.smoothgrad import SmoothGrad
from headscope.analysis.types import Target
from headscope.analysis.types.tokens import first_tokens
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headscope.analysis.backends.hf_causal import HFCausalBackend
    from headscope.analysis.interfaces import ForwardResult, TokenBatch

TEXT = "The quick fox found a small door"


def prepared(backend: HFCausalBackend) -> tuple[Workspace, Target]:
    work = Workspace(backend, [backend.tokenize(TEXT)], Capture(gradients=True))
    return work, backend.resolve_target(work.texts[0], None, None, work.next_logprobs[0])


def value_of(backend: HFCausalBackend, target: Target) -> Callable[[torch.Tensor], torch.Tensor]:
    model: Any = backend.model

    def value(embeddings: torch.Tensor) -> torch.Tensor:
        logits = model(inputs_embeds=embeddings, use_cache=False).logits[:, -1]
        return torch.log_softmax(logits, -1)[:, target.token_id]

    return value


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """captum draws from torch's and from numpy's global generators."""
    before = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)


def test_smoothgrad_without_noise_is_saliency(backend: HFCausalBackend) -> None:
    work, target = prepared(backend)
    for norm in ("l1", "l2"):
        (smooth,) = SmoothGrad().attribute(work, [target], {"noise": 0, "samples": 3, "norm": norm})
        (plain,) = Saliency().attribute(work, [target], {"norm": norm})
        np.testing.assert_allclose(smooth.scores, plain.scores, rtol=1e-3, atol=1e-6)


def test_smoothgrad_agrees_with_captums_noise_tunnel(backend: HFCausalBackend) -> None:
    work, target = prepared(backend)
    (found,) = SmoothGrad().attribute(work, [target], {"samples": 300, "noise": 0.2})
    tunnel = NoiseTunnel(CaptumSaliency(value_of(backend, target)))
    with seeded(11):
        gradient = tunnel.attribute(
            work.embeddings,
            nt_type="smoothgrad",
            nt_samples=300,
            stdevs=0.2 * float(work.embeddings.std()),
            abs=False,
        )
    expected = gradient[0].norm(dim=-1).numpy()
    assert np.corrcoef(found.scores, expected)[0, 1] > 0.98
    np.testing.assert_allclose(found.scores, expected, rtol=0.3, atol=0.05 * expected.max())


def test_smoothgrad_is_the_mean_gradient_at_its_own_samples(backend: HFCausalBackend) -> None:
    work, target = prepared(backend)
    here = work.embeddings[0]
    for norm, order in (("l1", 1), ("l2", 2)):
        (found,) = SmoothGrad().attribute(work, [target], {"samples": 5, "noise": 0.2, "seed": 3, "norm": norm})
        generator, total = generator_of(work.texts[0], 3), torch.zeros_like(here)
        for _ in range(5):
            noisy = (here + torch.randn(here.shape, generator=generator) * 0.2 * here.std())[None].requires_grad_()
            total += torch.autograd.grad(value_of(backend, target)(noisy).sum(), noisy)[0][0]
        np.testing.assert_allclose(found.scores, (total / 5).norm(p=order, dim=-1), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", [SmoothGrad(), ExpectedGradients()])
def test_passes_cut_anywhere_give_the_same_scores(
    backend: HFCausalBackend, method: SmoothGrad | ExpectedGradients, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, target = prepared(backend)
    (whole,) = method.attribute(work, [target], {"samples": 7})
    rows = list[int]()
    forward = backend.forward

    def counted(batch: TokenBatch, capture: Capture, **options: Any) -> ForwardResult:
        rows.append(len(batch.texts))
        return forward(batch, capture, **options)

    monkeypatch.setattr(backend, "forward", counted)
    monkeypatch.setattr(
        "headscope.analysis.attribution.sampling_rows.BYTES_PER_PASS", 3 * graph_bytes(backend.info, len(work.texts[0]))
    )
    (cut,) = method.attribute(work, [target], {"samples": 7})
    assert max(rows) == 3
    np.testing.assert_allclose(cut.scores, whole.scores, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", [SmoothGrad(), ExpectedGradients(), LayerGradients()])
def test_an_earlier_explained_position_is_a_shorter_prompt(
    backend: HFCausalBackend, method: SmoothGrad | ExpectedGradients | LayerGradients
) -> None:
    long = Workspace(backend, [backend.tokenize(TEXT)], Capture(gradients=True), [3])
    target = backend.resolve_target(long.texts[0], None, None, long.next_logprobs[0])
    (found,) = method.attribute(long, [target], {})
    assert np.isnan(found.scores[4:]).all()
    short = Workspace(backend, [first_tokens(long.texts[0], 4)], Capture(gradients=True))
    (expected,) = method.attribute(short, [target], {})
    assert found.value == pytest.approx(expected.value, abs=1e-4)
    if isinstance(method, LayerGradients):  # the others draw by the text's tokens, which differ
        np.testing.assert_allclose(found.scores[:4], expected.scores, rtol=1e-3, atol=1e-5)


def test_only_a_held_token_leaves_nothing_to_explain(backend: HFCausalBackend) -> None:
    work = Workspace(backend, [backend.tokenize(TEXT)], Capture(), [0])
    target = backend.resolve_target(work.texts[0], None, None, work.next_logprobs[0])
    (found,) = ExpectedGradients().attribute(work, [target], {})
    assert found.error is not None
    assert "nothing is left" in found.error


def test_the_standard_error_is_what_other_seeds_vary_by(backend: HFCausalBackend) -> None:
    work, target = prepared(backend)
    runs = [ExpectedGradients().attribute(work, [target], {"seed": seed, "samples": 16})[0] for seed in range(30)]
    spread = np.std([run.scores[1:] for run in runs], axis=0, ddof=1).max()
    stated = np.mean([run.outcome.error for run in runs])
    assert 0.6 * spread < stated < 2 * spread
    (one,) = ExpectedGradients().attribute(work, [target], {"samples": 1})
    assert one.outcome.error is None


def test_smoothgrads_standard_errors_are_what_other_seeds_vary_by(backend: HFCausalBackend) -> None:
    work, target = prepared(backend)
    for norm in ("l2", "l1"):
        runs = [
            SmoothGrad().attribute(work, [target], {"seed": seed, "samples": 20, "noise": 0.3, "norm": norm})[0]
            for seed in range(20)
        ]
        spread = np.std([run.scores for run in runs], axis=0, ddof=1)
        stated = np.mean([run.score_errors for run in runs], axis=0)
        assert (stated > 0.5 * spread).all()
        assert (stated < 2 * spread).all()
        assert runs[0].outcome.error == pytest.approx(float(runs[0].score_errors.max()))
    (one,) = SmoothGrad().attribute(work, [target], {"samples": 1})
    assert one.outcome.error is None
    assert np.isnan(one.score_errors).all()


def test_another_seed_is_other_noise_and_a_prompt_does_not_depend_on_its_batch(backend: HFCausalBackend) -> None:
    work, target = prepared(backend)
    one, other = (SmoothGrad().attribute(work, [target], {"seed": seed, "samples": 4})[0].scores for seed in (0, 1))
    assert not np.allclose(one, other)
    both = Workspace(backend, [backend.tokenize(text) for text in ("One two", TEXT)], Capture())
    batched = SmoothGrad().attribute(both, [target, target], {"samples": 4})[1].scores
    np.testing.assert_allclose(batched, one, rtol=2e-3, atol=1e-5)


def test_expected_gradients_agree_with_captum_and_add_up(backend: HFCausalBackend) -> None:
    work, target = prepared(backend)
    (found,) = ExpectedGradients().attribute(work, [target], {"samples": 600})
    assert np.isnan(found.scores[0])
    change = found.outcome.value_change
    assert abs(found.convergence_delta) < 0.1 * max(1.0, abs(change))
    assert found.scores[1:].sum() - change == pytest.approx(found.convergence_delta, abs=1e-3)
    table: Any = backend.model.get_input_embeddings()  # type: ignore[operator]
    with seeded(5):
        baselines = table(torch.randint(backend.info.vocab_size, (600, len(work.texts[0])))).detach()
        baselines[:, 0] = work.embeddings[0, 0]
        expected = GradientShap(value_of(backend, target)).attribute(
            work.embeddings, baselines=baselines, n_samples=600, stdevs=0.0
        )
    reference = expected[0].sum(-1).detach().numpy()[1:]
    both = np.sqrt(2) * found.outcome.error  # two estimates of the same spread: captum draws anew
    np.testing.assert_allclose(found.scores[1:], reference, rtol=0, atol=4 * both)
    assert np.corrcoef(found.scores[1:], reference)[0, 1] > 0.9


def test_expected_gradients_are_captums_at_the_same_points(
    backend: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, target = prepared(backend)
    count, size = 12, len(work.texts[0])
    (found,) = ExpectedGradients().attribute(work, [target], {"samples": count, "seed": 4})
    generator = generator_of(work.texts[0], 4)
    table: Any = backend.model.get_input_embeddings()  # type: ignore[operator]
    baselines = table(torch.randint(backend.info.vocab_size, (count, size), generator=generator)).detach()
    baselines[:, 0] = work.embeddings[0, 0]
    share = (torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)) / count
    monkeypatch.setattr(np.random, "uniform", lambda *_: share.numpy())  # where captum draws them
    terms = InputBaselineXGradient(value_of(backend, target)).attribute(
        work.embeddings.expand(count, -1, -1), baselines=baselines
    )
    np.testing.assert_allclose(found.scores[1:], terms.sum(-1).mean(0).detach()[1:], rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        before = float(value_of(backend, target)(baselines).mean())
    assert found.outcome.value_change == pytest.approx(found.value - before, abs=1e-4)


def test_layer_gradients_are_captums_at_every_layer(backend: HFCausalBackend) -> None:
    work, target = prepared(backend)
    (found,) = LayerGradients().attribute(work, [target], {})
    value = value_of(backend, target)
    assert found.layer_scores is not None
    for layer, module in enumerate(backend.structure.layers):
        expected = LayerGradientXActivation(value, module).attribute(work.embeddings)
        tensor = expected[0] if isinstance(expected, tuple) else expected
        np.testing.assert_allclose(
            found.layer_scores[layer + 1], tensor[0].sum(-1).detach().numpy(), rtol=1e-3, atol=1e-5
        )
    np.testing.assert_allclose(found.scores, found.layer_scores.mean(0), rtol=1e-5, atol=1e-6)
    (product,) = InputXGradient().attribute(work, [target], {})
    np.testing.assert_allclose(found.layer_scores[0], product.scores, rtol=1e-4, atol=1e-6)


def test_what_layers_write_is_the_slope_of_writing_more(backend: HFCausalBackend) -> None:
    work, target = prepared(backend)
    (found,) = LayerGradients().attribute(work, [target], {"rows": "written"})
    value, step, written = value_of(backend, target), 1e-2, found.layer_scores
    assert written is not None
    assert written.shape == (backend.info.n_layers, len(work.texts[0]))
    updates = [(a + m).detach() for a, m in zip(work.forward.attn_updates, work.forward.mlp_updates, strict=True)]
    for layer, module in enumerate(backend.structure.layers):
        for token in range(len(work.texts[0])):
            ends = [_with_more(module, updates[layer], token, sign * step, value, work.embeddings) for sign in (1, -1)]
            slope = (ends[0] - ends[1]) / (2 * step)
            assert written[layer, token] == pytest.approx(slope, rel=0.02, abs=2e-4)
    np.testing.assert_allclose(found.scores, written.mean(0), rtol=1e-5, atol=1e-6)


def _with_more(
    module: torch.nn.Module,
    update: torch.Tensor,
    token: int,
    share: float,
    value: Callable[[torch.Tensor], torch.Tensor],
    embeddings: torch.Tensor,
) -> float:
    """The value when a layer writes `1 + share` times its update at one token."""

    def hook(_module: torch.nn.Module, _inputs: Any, output: Any) -> Any:
        stream = (output[0] if isinstance(output, tuple) else output).clone()
        stream[:, token] += share * update[:, token]
        return (stream, *output[1:]) if isinstance(output, tuple) else stream

    handle = module.register_forward_hook(hook)
    try:
        with torch.no_grad():
            return float(value(embeddings)[0])
    finally:
        handle.remove()


def test_what_layers_write_needs_their_updates(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    work, target = prepared(tiny_gpt2)
    monkeypatch.setattr(tiny_gpt2, "capabilities", replace(tiny_gpt2.capabilities, sublayers=False))
    (failed,) = LayerGradients().attribute(work, [target], {"rows": "written"})
    assert failed.error is not None
    assert "rows=stream" in failed.error
    assert LayerGradients().attribute(work, [target], {})[0].error is None
