"""Expected gradients over the standard baselines against captum's integrated gradients from each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from headscope.analysis.attribution.baseline_set import standard_set
from headscope.analysis.attribution.sampling_rows import PromptRows
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.expected_gradients import ExpectedGradients
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def backend(request: pytest.FixtureRequest) -> HFCausalBackend:
    found: HFCausalBackend = request.getfixturevalue(request.param)
    return found


def test_the_standard_baselines_are_captums_integrated_gradients_each(backend: HFCausalBackend) -> None:
    work = Workspace(backend, [backend.tokenize("The quick fox found a small door")], Capture(gradients=True))
    target = backend.resolve_target(work.texts[0], None, None, work.next_logprobs[0])

    def value_of(embeddings: torch.Tensor) -> torch.Tensor:
        logits = backend.model(inputs_embeds=embeddings, use_cache=False).logits[:, -1]
        return torch.log_softmax(logits, -1)[:, target.token_id]

    (found,) = ExpectedGradients().attribute(work, [target], {"baselines": "standard", "points": 257})
    names, starts = standard_set(backend, PromptRows(work, target, 0), 0)
    assert names[:2] == ("newline", "eos")
    assert found.outcome.facts == {"baselines averaged": ", ".join(names)}
    explained = IntegratedGradients(value_of).attribute(
        work.embeddings.expand(len(names), -1, -1), starts, n_steps=100, method="gausslegendre", internal_batch_size=200
    )
    each = explained.sum(-1).detach().numpy()[:, 1:]
    scale = np.abs(each.mean(0)).max()
    np.testing.assert_allclose(found.scores[1:], each.mean(0), atol=0.05 * scale)
    # the spread is that of the baselines: integrals that are ten times more accurate have the same
    np.testing.assert_allclose(found.score_errors[1:], each.std(0, ddof=1), atol=0.05 * scale)
    assert found.outcome.error > 0.1 * scale
    assert found.outcome.converged
    with torch.no_grad():
        before = float(value_of(starts).mean())
    assert found.outcome.value_change == pytest.approx(found.value - before, abs=1e-4)
    assert found.scores[1:].sum() == pytest.approx(found.outcome.value_change + found.convergence_delta, abs=1e-4)
    (few,) = ExpectedGradients().attribute(work, [target], {"baselines": "standard", "points": 17})
    assert few.outcome.steps == 17 * len(names) <= found.outcome.steps
