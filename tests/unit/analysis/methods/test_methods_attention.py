"""Attention-based methods against brute force, linear programming, and the weights of the tiny models themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from headscope.analysis.attribution.attention_rows import explained_rows
from headscope.analysis.attribution.attention_values import value_vectors, why_no_values
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.attention_flow import AttentionFlow, flows
from headscope.analysis.methods.attention_mean import AttentionMean
from headscope.analysis.methods.attention_raw import AttentionRaw
from headscope.analysis.methods.attention_rollout import AttentionRollout
from headscope.analysis.methods.attention_value_norm import AttentionValueNorm
from headscope.analysis.methods.attention_x_gradient import AttentionXGradient
from headscope.analysis.methods.layer_gradients import LayerGradients
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXTS = ("The quick fox found a small door", "One two three")
CAPTURE = Capture(attention=True, gradients=True, attention_gradients=True)


def prepared(backend: HFCausalBackend, positions: list[int] | None = None) -> tuple[Workspace, list[Target]]:
    work = Workspace(backend, [backend.tokenize(text) for text in TEXTS], CAPTURE, positions)
    rows = zip(work.texts, work.next_logprobs, strict=True)
    return work, [backend.resolve_target(text, None, None, row) for text, row in rows]


def patterns(backend: HFCausalBackend, text: str) -> np.ndarray:
    """`[layer, head, query, key]` as transformers gives them itself."""
    model: Any = backend.model
    model.set_attn_implementation("eager")
    with torch.no_grad():
        found = model(input_ids=torch.tensor([backend.tokenize(text).ids.tolist()]), output_attentions=True)
    return torch.stack([layer[0] for layer in found.attentions]).numpy()


def test_raw_and_mean_are_the_explained_row(backend: HFCausalBackend) -> None:
    for positions in (None, [3, 1]):
        work, targets = prepared(backend, positions)
        raw, mean = (m.attribute(work, targets, {}) for m in (AttentionRaw(), AttentionMean()))
        last = AttentionMean().attribute(work, targets, {"layers": "last"})
        for i, text in enumerate(TEXTS):
            at = int(work.positions[i])
            expected = patterns(backend, text)[:, :, at, : at + 1]
            np.testing.assert_allclose(raw[i].scores[..., : at + 1], expected, atol=1e-5)
            assert np.isnan(raw[i].scores[..., at + 1 :]).all()
            np.testing.assert_allclose(mean[i].scores[: at + 1], expected.mean((0, 1)), atol=1e-5)
            np.testing.assert_allclose(last[i].scores[: at + 1], expected[-1].mean(0), atol=1e-5)


def test_rollout_is_the_product_of_matrices(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend)
    for found, text in zip(AttentionRollout().attribute(work, targets, {}), TEXTS, strict=True):
        size = len(backend.tokenize(text))
        product = np.eye(size)
        for layer in patterns(backend, text).mean(1):
            product = (0.5 * layer + 0.5 * np.eye(size)) @ product
        np.testing.assert_allclose(found.scores, product[-1], atol=1e-5)
        assert found.scores.sum() == pytest.approx(1, abs=1e-5)
        assert found.layer_scores is not None
        assert found.layer_scores[-1].tolist() == [0.0] * (size - 1) + [1.0]


def test_flow_is_the_optimum_of_the_linear_program() -> None:
    generator = np.random.default_rng(3)
    layers, size = 3, 4
    raw = np.tril(generator.random((layers, size, size)))
    graph = (0.5 * raw / raw.sum(-1, keepdims=True) + 0.5 * np.eye(size)).astype(np.float32)
    found = flows(graph)
    edges = [(((l + 1), q), (l, k), graph[l, q, k]) for l, q, k in np.argwhere(graph > 0)]  # noqa: E741
    for token in range(size):
        nodes = sorted({node for edge in edges for node in edge[:2]} - {(layers, size - 1), (0, token)})
        balance = np.array([[(b == n) - (a == n) for a, b, _ in edges] for n in nodes], dtype=float)
        into = [-float(b == (0, token)) for _, b, _ in edges]
        answer = linprog(into, A_eq=balance, b_eq=np.zeros(len(nodes)), bounds=[(0, c) for *_, c in edges])
        assert found[token] == pytest.approx(-answer.fun, abs=1e-4)


def test_flow_refuses_long_prompts_and_serves_the_others(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend)
    limit = len(work.texts[1])
    long, short = AttentionFlow().attribute(work, targets, {"max_tokens": limit})
    assert long.error is not None
    assert "max_tokens" in long.error
    assert short.error is None
    assert 0 < short.scores.max() <= 1


def test_values_are_those_of_the_models_own_projection(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend)
    info, model = backend.info, backend.model
    values = value_vectors(backend, work.embeddings)
    found = AttentionValueNorm().attribute(work, targets, {})
    stream = work.embeddings
    if info.architecture.startswith("GPT2"):
        stream = stream + model.transformer.wpe.weight[: stream.shape[1]]  # type: ignore[union-attr, index]
    for layer in range(info.n_layers):
        if info.architecture.startswith("GPT2"):
            block: Any = model.transformer.h[layer]  # type: ignore[union-attr, index]
            flat = block.attn.c_attn(block.ln_1(stream)).split(info.d_model, dim=-1)[2]
        else:
            block = model.model.layers[layer]  # type: ignore[union-attr, index]
            flat = block.self_attn.v_proj(block.input_layernorm(stream))
        per_head = flat.unflatten(-1, (info.n_kv_heads, -1)).transpose(1, 2)
        expected = per_head.repeat_interleave(info.n_heads // info.n_kv_heads, dim=1)
        torch.testing.assert_close(values[layer], expected, rtol=1e-4, atol=1e-5)
        for i, text in enumerate(TEXTS):
            weights = patterns(backend, text)[layer, :, -1]  # [head, key]
            length = weights.shape[1]
            read, out = expected[i].detach().numpy(), backend.head_weights(layer).numpy()
            norms = [
                np.linalg.norm(sum(weights[h, k] * read[h, k] @ out[h] for h in range(info.n_heads)))
                for k in range(length)
            ]
            scores = found[i].layer_scores
            assert scores is not None
            np.testing.assert_allclose(scores[layer], norms, rtol=1e-3, atol=1e-5)
        stream = work.forward.residuals[layer].detach()
    assert why_no_values(backend) is None


def test_contributions_and_bias_make_up_the_attention_update(backend: HFCausalBackend) -> None:
    work, _ = prepared(backend, [3, 1])
    values, rows = value_vectors(backend, work.embeddings), explained_rows(work)
    for layer, value in enumerate(values):
        parts = torch.einsum("bht,bhte,hed->bd", rows[:, layer], value, backend.head_weights(layer))
        bias = getattr(backend.structure.head_projections[layer], "bias", None)
        update = work.rows_at_positions(work.forward.attn_updates[layer]).detach()
        torch.testing.assert_close(parts + (0 if bias is None else bias), update, rtol=1e-4, atol=1e-5)


def test_attention_is_restored_after_a_failing_pass(backend: HFCausalBackend) -> None:
    model: Any = backend.model
    for before in ("eager", "sdpa"):
        model.set_attn_implementation(before)
        with pytest.raises(RuntimeError):
            value_vectors(backend, torch.zeros(1, 2, 3))  # not the model's width
        assert model.config._attn_implementation == before


def test_a_number_that_is_none_is_a_failed_attribution_not_a_gap(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend)
    work.embedding_gradient(targets).attention_gradients[0][0, 0, 1, 1] = float("nan")
    work.embedding_gradient(targets).residual_gradients[0][0, 1, 0] = float("nan")
    work.attentions[0][0, 0, -1, 1] = float("nan")
    for method in (AttentionXGradient(), LayerGradients(), AttentionRaw(), AttentionMean(), AttentionRollout()):
        bad, good = method.attribute(work, targets, {})
        assert bad.error is not None
        assert "NaN" in bad.error
        assert bad.scores.size == 0
        assert good.error is None


@pytest.mark.parametrize("foil", [None, " a"])
def test_attention_x_gradient_by_autograd_on_the_models_own_weights(backend: HFCausalBackend, foil: str | None) -> None:
    text = backend.tokenize(TEXTS[0])
    work = Workspace(backend, [text], CAPTURE)
    target = backend.resolve_target(text, " the" if foil else None, foil, work.next_logprobs[0])
    (found,) = AttentionXGradient().attribute(work, [target], {})
    model: Any = backend.model
    model.set_attn_implementation("eager")
    embeddings = backend.embed(backend.batch([text])).requires_grad_()
    answer = model(inputs_embeds=embeddings, output_attentions=True, use_cache=False)
    logprobs = torch.log_softmax(answer.logits[0, -1], -1)
    value = logprobs[target.token_id] - (logprobs[target.foil_id] if foil else 0)
    gradients = torch.autograd.grad(value, answer.attentions)
    expected = torch.stack([(a * g)[0].sum(1) for a, g in zip(answer.attentions, gradients, strict=True)])
    np.testing.assert_allclose(found.scores, expected.detach().numpy(), rtol=1e-3, atol=1e-6)
