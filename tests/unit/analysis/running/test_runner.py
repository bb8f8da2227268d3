from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.errors import BackendError, InputError, UnknownNameError
from headscope.analysis.interfaces import Capabilities
from headscope.analysis.measurements import trace
from headscope.analysis.methods.saliency import Saliency
from headscope.analysis.registry import METHODS, analyses
from headscope.analysis.running import planning, runner
from headscope.analysis.types import (
    BLOCKED,
    HEAD_STATS,
    LAYER_STATS,
    GenerationParams,
    ModelRef,
    Prompt,
    RunResult,
    RunSpec,
    RunStatus,
    result_key,
)
from tests.quick import QUICK

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

GOOD = (
    Prompt("a", "The quick fox found a small door in the wall"),
    Prompt("b", "One two three four", " five"),
    Prompt("c", "She thinks that he thinks", " the", " a"),
    Prompt("d", "a"),
)
BAD = {
    "empty": Prompt("empty", ""),
    "too_long": Prompt("long", "door " * 200),
    "not_utf8": Prompt("bytes", "caf\\xe9", invalid="line 3 is not UTF-8: byte 0xe9 at column 4"),
    "target_missing": Prompt("no target", "One two", ""),
    "blocked": Prompt("blocked", "", invalid=f"{BLOCKED}."),
}


ASKED_ONCE = {"masking": "delete", "random_orders": 9, "noise_draws": 0, "second_baseline": "none"}
"""Receipts ask each of all the methods again; here once."""


def spec_of(backend: HFCausalBackend, *chosen: str, **other: Any) -> RunSpec:
    """Everything there is, with few samples, unless it is said what."""
    if not chosen:
        other = {"params": {**QUICK, "receipts": ASKED_ONCE}, **other}
    return RunSpec(backend.info.ref, (), chosen or tuple(analyses()), **other)


def test_everything_asked_for_is_there(backend: HFCausalBackend) -> None:
    spec = spec_of(backend, seed=5, generation=GenerationParams(max_new_tokens=3))
    results = runner.run_batch(backend, spec, GOOD)
    n_layers, n_heads = backend.info.n_layers, backend.info.n_heads
    for prompt, result in zip(GOOD, results, strict=True):
        size = len(backend.tokenize(prompt.text))
        assert (result.prompt, result.status, result.error) == (prompt, RunStatus.SUCCEEDED, None)
        assert result.result_key == result_key(backend.info, spec, prompt, CODE_VERSION)
        assert result.seconds > 0
        assert result.trace is not None
        assert len(result.trace.tokens) == size
        assert result.heads is not None
        assert all(getattr(result.heads, name).shape == (n_layers, n_heads) for name in HEAD_STATS)
        assert result.layers is not None
        assert all(getattr(result.layers, name).shape == (n_layers,) for name in LAYER_STATS)
        assert result.layers.residual_norms.shape == (n_layers, size)
        assert result.lens is not None
        assert result.lens.top_ids.shape == (n_layers, size)
        assert result.attention is not None
        assert result.attention.dtype == np.float16
        assert result.attention.shape == (n_layers, n_heads, size, size)
        np.testing.assert_allclose(result.attention.astype(np.float32).sum(-1), 1, atol=5e-3)
        assert [found.method for found in result.attributions] == list(METHODS)
        assert result.continuation is not None
        assert len(result.continuation.ids) <= 3
        assert result.target is not None
        assert result.target.chosen == ("given" if prompt.target else "predicted")


def test_nothing_is_computed_that_was_not_asked_for(backend: HFCausalBackend) -> None:
    (result,) = runner.run_batch(backend, spec_of(backend, "layers"), GOOD[:1])
    assert result.trace is not None
    assert result.layers is not None
    assert (result.heads, result.lens, result.attention, result.continuation) == (None, None, None, None)
    assert result.attributions == ()


def numbers(result: RunResult) -> dict[str, np.ndarray]:
    assert result.trace is not None
    assert result.heads is not None
    assert result.layers is not None
    assert result.attention is not None
    return {
        "logprobs": result.trace.logprobs,
        "entropies": result.trace.entropies,
        "topk": result.trace.topk_logprobs,
        "attention": result.attention.astype(np.float32),
        **{f"heads {name}": getattr(result.heads, name) for name in HEAD_STATS},
        **{f"layers {name}": getattr(result.layers, name) for name in (*LAYER_STATS, "residual_norms")},
        **{found.method: found.scores for found in result.attributions},
    }


def test_padding_and_company_change_nothing(backend: HFCausalBackend) -> None:
    together = runner.run_batch(backend, spec_of(backend), GOOD)
    for prompt, one in zip(GOOD, together, strict=True):
        (alone,) = runner.run_batch(backend, spec_of(backend), [prompt])
        expected = numbers(alone)
        for name, values in numbers(one).items():
            np.testing.assert_allclose(values, expected[name], rtol=2e-3, atol=2e-4, err_msg=name)


def test_bad_prompts_fail_with_a_reason_and_the_others_finish(backend: HFCausalBackend) -> None:
    mixed = [prompt for pair in zip(BAD.values(), (*GOOD, GOOD[0]), strict=True) for prompt in pair]
    results = runner.run_batch(backend, spec_of(backend), mixed)
    assert [result.prompt for result in results] == mixed
    for result in results:
        if result.prompt in GOOD:
            assert result.status is RunStatus.SUCCEEDED
            continue
        assert result.status is RunStatus.FAILED
        assert result.error_kind is not None
        assert BAD[result.error_kind] == result.prompt
        assert result.error
        assert result.trace is None
        assert result.attributions == ()
    assert next(r.error for r in results if r.error_kind == "not_utf8") == BAD["not_utf8"].invalid


def test_a_batch_of_only_bad_prompts(tiny_gpt2: HFCausalBackend) -> None:
    results = runner.run_batch(tiny_gpt2, spec_of(tiny_gpt2), list(BAD.values()))
    assert [result.error_kind for result in results] == list(BAD)
    assert runner.run_batch(tiny_gpt2, spec_of(tiny_gpt2), []) == []


def test_an_unexpected_error_costs_one_prompt(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    poison = len(tiny_gpt2.tokenize(GOOD[1].text))
    original = trace.token_traces

    def explode(work: Any) -> Any:
        if any(len(text) == poison for text in work.texts):
            raise RuntimeError("the disk is on fire")
        return original(work)

    monkeypatch.setattr(trace, "token_traces", explode)
    results = runner.run_batch(tiny_gpt2, spec_of(tiny_gpt2, "saliency"), GOOD)
    assert [result.status.value for result in results] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert results[1].error == "RuntimeError: the disk is on fire"
    assert results[1].error_kind == "unexpected"


def test_a_method_that_breaks_on_one_prompt_leaves_the_rest_of_its_run(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Saliency.attribute

    def explode(self: Saliency, work: Any, targets: Any, params: Any) -> Any:
        if any(target.foil_id >= 0 for target in targets):
            raise BackendError("NaN on the way")
        return original(self, work, targets, params)

    monkeypatch.setattr(Saliency, "attribute", explode)
    results = runner.run_batch(tiny_gpt2, spec_of(tiny_gpt2, "saliency", "input_x_gradient"), GOOD)
    assert all(result.status is RunStatus.SUCCEEDED for result in results)
    broken, product = results[2].attributions
    assert broken.error == "NaN on the way"
    assert product.error is None
    assert results[0].attributions[0].error is None


def test_what_a_model_cannot_show_is_missing_with_a_reason(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tiny_gpt2, "capabilities", Capabilities(False, True, True, ("attention weights cannot be read",))
    )
    monkeypatch.setattr(Saliency, "not_applicable", lambda self, backend: "not for this model")
    (result,) = runner.run_batch(tiny_gpt2, spec_of(tiny_gpt2), GOOD[:1])
    assert (result.status, result.heads, result.attention) == (RunStatus.SUCCEEDED, None, None)
    assert result.attributions[0].error == "not for this model"
    assert result.capsule["notes"] == ["attention weights cannot be read"]


def test_a_request_that_makes_no_sense_is_refused_as_a_whole(tiny_gpt2: HFCausalBackend) -> None:
    with pytest.raises(UnknownNameError, match="saliency"):
        runner.run_batch(tiny_gpt2, spec_of(tiny_gpt2, "salienc"), GOOD)
    params = {"saliency": {"norm": "l7"}}
    with pytest.raises(InputError, match="norm must be one of l2, l1"):
        runner.run_batch(tiny_gpt2, spec_of(tiny_gpt2, "saliency", params=params), GOOD)


def test_parameters_reach_the_method_and_the_result(tiny_gpt2: HFCausalBackend) -> None:
    params = {"saliency": {"norm": "l1"}}
    (result,) = runner.run_batch(tiny_gpt2, spec_of(tiny_gpt2, "saliency", params=params), GOOD[:1])
    assert result.attributions[0].params == {"norm": "l1"}


def test_a_prompt_too_large_for_the_memory_is_refused_before_it_ends_the_process(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 500_000

    monkeypatch.setattr("headscope.analysis.models.devices.psutil.virtual_memory", Memory)
    long = Prompt("long", "the " * 55)
    results = runner.run_batch(tiny_gpt2, spec_of(tiny_gpt2, "heads"), [GOOD[3], long])
    assert [result.error_kind for result in results] == [None, "out_of_memory"]


def test_the_capsule_says_what_is_needed_to_compute_it_again(backend: HFCausalBackend) -> None:
    (result, _) = runner.run_batch(backend, spec_of(backend, "layers", seed=11), GOOD[:2])
    facts = result.capsule
    assert facts["weights_sha256"] == backend.info.ref.weights_sha256
    assert facts["tokenizer_sha256"] == backend.info.tokenizer_sha256
    assert (facts["batch_size"], facts["seed"], facts["code_version"]) == (2, 11, CODE_VERSION)
    assert {"dtype", "attention_implementation", "threads", "torch", "transformers", "git_commit"} <= facts.keys()
    assert json.loads(json.dumps(facts)) == facts


def test_batches_hold_every_prompt_once_and_little_padding(backend: HFCausalBackend) -> None:
    words = ["the", "fox", "door", "river", "house", "snow", "late", "two"]
    prompts = [Prompt(str(i), " ".join(words[: 1 + (i * 7) % 8])) for i in range(40)] + list(BAD.values())
    spec = RunSpec(ModelRef("x"), tuple(prompts), ())
    batches = runner.planned(backend, spec, 8).batches
    assert sorted(index for batch in batches for index in batch) == list(range(len(prompts)))
    assert all(batch == sorted(batch) for batch in batches)
    assert [batch[0] for batch in batches] == sorted(batch[0] for batch in batches)
    for batch in batches:
        assert len(batch) <= 8
        lengths = [len(backend.tokenize(prompts[i].text)) for i in batch if prompts[i] not in BAD.values()]
        assert not lengths or max(lengths) <= max(1.5 * min(lengths), min(lengths) + 2)
    assert runner.planned(backend, spec, 8).batches == batches


def test_batches_are_bounded_by_memory(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = tuple(Prompt(str(i), "the fox door river house") for i in range(6))
    monkeypatch.setattr(planning, "BATCH_BYTES", 1)
    assert runner.planned(tiny_gpt2, RunSpec(ModelRef("x"), prompts, ()), 8).batches == [[i] for i in range(6)]
