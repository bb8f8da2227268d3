"""Runs that are stored with interventions: what they hold is what the live view says, and their capsule says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from headscope.analysis.errors import BackendError, InputError
from headscope.analysis.finite import overflow_written
from headscope.analysis.interfaces import Capture
from headscope.analysis.running.changed import changed
from headscope.analysis.running.intervening import analyse_interventions
from headscope.analysis.running.runner import check, run_batch
from headscope.analysis.types import GenerationParams, ModelRef, Prompt, RunSpec, RunStatus
from headscope.analysis.types.interventions import Intervention, InterventionRequest

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

PROMPTS = (Prompt("a", "One two three, the river ran", " a", " the"), Prompt("b", "The bread"))
SPEC = RunSpec(ModelRef("m"), PROMPTS, ("heads", "attention"))
CODES = ("head:1.2:zero", "mlp:0@1:scale:3", "layer:2:mean")


def test_a_stored_run_says_what_the_live_view_says(backend: HFCausalBackend) -> None:
    def logits() -> torch.Tensor:
        return backend.forward(backend.batch([backend.tokenize(PROMPTS[0].text)]), Capture()).logits

    before = logits()
    plain, altered = (run_batch(backend, spec, PROMPTS) for spec in (SPEC, replace(SPEC, interventions=CODES)))
    made = tuple(map(Intervention.parse, CODES))
    for prompt, run, usual in zip(PROMPTS, altered, plain, strict=True):
        asked = InterventionRequest("m", prompt.text, prompt.target, prompt.foil, None, made)
        live = analyse_interventions(backend, asked)
        assert run.status is RunStatus.SUCCEEDED
        assert run.target is not None
        assert run.trace is not None
        if prompt.target:
            assert run.target.logprob == pytest.approx(live.after.logprob, abs=1e-5)
            assert run.target.foil_logprob == pytest.approx(live.after.foil_logprob, abs=1e-5)
        top = max(one.after for one in live.candidates)
        assert np.exp(run.trace.topk_logprobs[-1, 0]) == pytest.approx(top, abs=1e-5)
        assert run.capsule["interventions"] == list(CODES)
        assert "interventions" not in usual.capsule
        assert run.result_key != usual.result_key
    assert torch.equal(logits(), before)  # nothing stays


def test_a_position_that_one_prompt_lacks_is_its_own_failure(tiny_gpt2: HFCausalBackend) -> None:
    spec = replace(SPEC, interventions=("mlp:0@4:zero",))
    long, short = run_batch(tiny_gpt2, spec, PROMPTS)
    assert long.status is RunStatus.SUCCEEDED
    assert (short.status, short.error_kind) == (RunStatus.FAILED, "intervention")
    assert "no position 4" in str(short.error)


def test_interventions_that_overflow_are_told_apart_from_damaged_weights(tiny_gpt2: HFCausalBackend) -> None:
    """Twelve times 100: the squares of the norm behind it do not fit into float32."""
    codes = ("residual:1:scale:100",) * 12
    (found,) = run_batch(tiny_gpt2, replace(SPEC, interventions=codes), PROMPTS[:1])
    assert found.status is RunStatus.FAILED
    made = tuple(map(Intervention.parse, codes))
    with pytest.raises(BackendError) as caught:
        analyse_interventions(tiny_gpt2, InterventionRequest("m", PROMPTS[0].text, interventions=made))
    for said in (str(found.error), str(caught.value)):
        assert "with its interventions" in said
        assert "without them it computes numbers" in said
        assert "Use smaller factors" in said
        assert "damaged" not in said
    assert tiny_gpt2.edits == ()
    weight = tiny_gpt2.structure.tail[0].weight
    kept = weight.clone()
    try:
        with torch.no_grad():
            weight.fill_(torch.nan)
        with pytest.raises(BackendError, match="the weights are damaged"):
            analyse_interventions(tiny_gpt2, InterventionRequest("m", PROMPTS[0].text, interventions=made))
    finally:
        with torch.no_grad():
            weight.copy_(kept)


def test_interventions_that_overflow_while_a_text_is_continued_are_named_too(tiny_gpt2: HFCausalBackend) -> None:
    codes = ("residual:1:scale:100",) * 12
    text, after = tiny_gpt2.tokenize(PROMPTS[0].text), "logits after 0 new tokens"
    with changed(tiny_gpt2, codes, text), pytest.raises(BackendError, match=f"with its interventions .* {after}"):
        tiny_gpt2.generate([text], GenerationParams(4))
    written = overflow_written(tiny_gpt2, [text, text], [[1, 2], [1]])
    assert "logits after 2 new tokens" in written


def test_what_follows_is_written_with_the_head_off(tiny_gpt2: HFCausalBackend) -> None:
    on = replace(SPEC, generation=GenerationParams(4))
    plain, off = (run_batch(tiny_gpt2, replace(on, interventions=codes), PROMPTS[:1])[0] for codes in
                  ((), ("layer:1:zero", "layer:2:zero")))  # fmt: skip
    assert plain.continuation is not None
    assert off.continuation is not None
    assert off.continuation.logprobs.tolist() != plain.continuation.logprobs.tolist()


@pytest.mark.parametrize(
    ("codes", "analyses", "says"),
    [
        (("mlp:1:melt",), ("heads",), "no change"),
        (("mlp:1:patch",), ("heads",), "a run is of one"),
        (("mlp:1:zero",), ("heads", "saliency", "toxicity"), "leave out saliency, toxicity"),
    ],
)
def test_what_no_run_can_have_is_refused_before_a_model_is_loaded(
    codes: tuple[str, ...], analyses: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        check(replace(SPEC, interventions=codes, analyses=analyses))
    check(replace(SPEC, analyses=analyses))
