"""Continuations explained token by token: each row is what the method says about that prefix alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from headscope.analysis.attribution.continuations import Continued, extended
from headscope.analysis.errors import InputError
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.input_x_gradient import InputXGradient
from headscope.analysis.running.attributing import load_method
from headscope.analysis.running.runner import run_batch
from headscope.analysis.types import GenerationParams, ModelRef, Prompt, RunSpec, RunStatus
from headscope.analysis.types.tokens import first_tokens
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

PROMPTS = (Prompt("a", "The fox ran"), Prompt("b", "Héllo ☃ one two three four"))


def spec(backend: HFCausalBackend, **more: Any) -> RunSpec:
    analyses = ("input_x_gradient", "integrated_gradients", "co_ablation")
    generation = GenerationParams(max_new_tokens=4)
    return RunSpec(ModelRef(backend.info.ref.name), PROMPTS, analyses, generation=generation, **more)


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_llama"])
@pytest.mark.parametrize("quantity", ["logprob", "logit"])
def test_every_row_is_the_prefix_explained_alone(name: str, quantity: str, request: pytest.FixtureRequest) -> None:
    backend: HFCausalBackend = request.getfixturevalue(name)
    for result in run_batch(backend, spec(backend, explain="continuation", quantity=quantity), PROMPTS):
        assert result.status is RunStatus.SUCCEEDED
        assert result.trace is not None
        assert result.continuation is not None
        n_prompt, n_new = len(result.trace.tokens), len(result.continuation.ids)
        found = result.attributions[0]
        assert (found.error, found.quantity, found.target) == (None, quantity, result.continuation.text)
        assert found.axes == ("target_position", "position")
        assert found.scores.shape == (n_new, n_prompt + n_new)
        if quantity == "logprob":
            assert found.value == pytest.approx(float(result.continuation.logprobs.sum()), abs=1e-3)
        whole = extended(result.trace.tokens, result.continuation)
        for k in range(n_new):
            alone = first_tokens(whole, n_prompt + k)
            work = Workspace(backend, [alone], Capture(gradients=True))
            token = int(result.continuation.ids[k])
            target = work.backend.resolve_target(alone, None, None, work.next_logprobs[0])
            assert target.token_id == token  # greedy: the model's own choice
            (expected,) = InputXGradient().attribute(work, [replace(target, quantity=quantity)], {})
            np.testing.assert_allclose(found.scores[k, : n_prompt + k], expected.scores, rtol=2e-3, atol=1e-4)
            assert np.isnan(found.scores[k, n_prompt + k :]).all()
        assert result.attributions[1].method == "integrated_gradients"
        assert isinstance(result.attributions[1].outcome.converged, bool)
        assert result.attributions[1].outcome.facts["generated tokens"] == n_new
        assert result.attributions[2].axes == ("target_position", "condition", "layer", "head")
        lost = str(result.attributions[2].outcome.facts["lost without the primaries"])  # each token has its own
        assert [part.partition(":")[0] for part in lost.split("; ")] == [f"token {k}" for k in range(n_new)]


def test_the_extended_text_covers_its_characters_once(tiny_gpt2: HFCausalBackend) -> None:
    texts = [tiny_gpt2.tokenize(prompt.text) for prompt in PROMPTS]
    for text, continuation in zip(
        texts, tiny_gpt2.generate(texts, GenerationParams(max_new_tokens=6, temperature=3.0, seed=4)), strict=True
    ):
        whole = extended(text, continuation)
        assert whole.text.startswith(text.text)
        assert whole.char_spans[0, 0] == 0
        assert whole.char_spans[-1, 1] == len(whole.text)
        assert (whole.char_spans[1:, 0] == whole.char_spans[:-1, 1]).all()
        assert [whole.text[start:end] for start, end in whole.char_spans.tolist()] == list(whole.texts)
        assert (np.diff(whole.words) >= 0).all()


def test_nothing_generated_is_said(tiny_gpt2: HFCausalBackend) -> None:
    (text,) = [tiny_gpt2.tokenize("one two")]
    (nothing,) = tiny_gpt2.generate([text], GenerationParams(max_new_tokens=0))
    methods = {"input_x_gradient": load_method("input_x_gradient", {})}
    many = Continued(tiny_gpt2, [text], [nothing], "logprob")
    ((found,),) = many.explained(methods, Capture(gradients=True)).values()
    assert found.error is not None
    assert "ended the text at once" in found.error
    assert found.scores.size == 0


def test_a_continuation_must_be_asked_for(tiny_gpt2: HFCausalBackend) -> None:
    wanted = RunSpec(ModelRef("x"), PROMPTS, ("input_x_gradient",), explain="continuation")
    with pytest.raises(InputError, match="--max-new-tokens"):
        run_batch(tiny_gpt2, wanted, PROMPTS)
    with pytest.raises(InputError, match="logprob, logit"):
        run_batch(tiny_gpt2, spec(tiny_gpt2, quantity="probability"), PROMPTS)
