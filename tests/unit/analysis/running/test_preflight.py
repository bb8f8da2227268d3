"""What a request is said to need, against what it then takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import InputError
from headscope.analysis.params import resolve_params
from headscope.analysis.running.planning import prompt_bytes
from headscope.analysis.running.preflight import (
    SHARED,
    Effort,
    Preflight,
    Size,
    Speed,
    check_minutes,
    efforts,
    total,
)
from headscope.analysis.running.runner import planned, run_batch
from headscope.analysis.types import ModelRef, Prompt, PromptSet, RunSpec
from headscope.cli import handover
from headscope.jobs.job import going_on
from headscope.jobs.request import JobRequest

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

PROMPTS = (*(Prompt(str(n), "one two three four " * (n + 1)) for n in range(9)), Prompt("empty", ""))


def test_bytes_to_store_are_those_of_the_arrays(tiny_gpt2: HFCausalBackend) -> None:
    spec = RunSpec(ModelRef("x"), PROMPTS, ("heads", "attention", "saliency"))
    found = planned(tiny_gpt2, spec, 4)
    needs = found.needs
    assert (needs.n_prompts, needs.n_batches) == (10, len(found.batches))
    stored = 0
    for result in run_batch(tiny_gpt2, spec, PROMPTS):
        if result.trace is None or result.attention is None or result.heads is None:
            continue
        trace = result.trace
        stored += result.attention.nbytes + 9 * result.heads.entropy.nbytes
        stored += (
            trace.topk_ids.nbytes + trace.topk_logprobs.nbytes + sum(len(t) for row in trace.topk_texts for t in row)
        )
        stored += result.attributions[0].scores.nbytes
    assert 0.7 * stored < needs.stored_bytes < 1.6 * stored


def test_a_request_for_more_than_the_disk_is_refused_before_it_starts(
    tiny_gpt2_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt_set = PromptSet("own", "1", "MIT", "test", "0" * 64, PROMPTS)
    request = JobRequest("full", str(tiny_gpt2_dir), prompt_set, ("attention",))
    monkeypatch.setattr(handover.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10_000})())
    monkeypatch.setattr(InlineEngine, "run_batch", lambda *_: pytest.fail("it began"))
    with pytest.raises(InputError, match="leave out `attention`"):
        handover.run(f"duckdb:///{tmp_path / 'a.duckdb'}", request, lambda *_: None, lambda: False)


def test_passes_are_counted_by_hand(tiny_gpt2: HFCausalBackend) -> None:
    one = (Prompt("a", "The fox found a door"),)
    tokens = len(tiny_gpt2.tokenize(one[0].text))
    lattice = 2 ** (4 if tokens > 9 else tokens - 1)
    wanted = {
        (): 1, ("heads", "layers"): 1, ("saliency", "input_x_gradient"): 3, ("occlusion",): 1 + tokens,
        ("smoothgrad",): 1 + 3 * 4, ("shapley_exact",): 1 + 2**5, ("head_ablation",): 1 + 3 * 4 / 2,
        ("co_ablation",): 1 + 3 * 4, ("shap_partition",): 1 + 120, ("shap_kernel",): 1 + min(500, 2**tokens),
        ("receipts",): 1 + 2 * lattice,
        # saliency again under 3 draws of noise: there and back; occlusion under one, and with another masking
        ("receipts", "saliency"): 3 + 2 * lattice + 3 * 3,
        ("receipts", "occlusion"): 1 + 2 * lattice + 3 * tokens,
    }  # fmt: skip
    for analyses, passes in wanted.items():
        spec = RunSpec(ModelRef("x"), one, analyses, params={"smoothgrad": {"samples": 4}})
        needs = planned(tiny_gpt2, spec, 4).needs
        assert needs.passes == passes, analyses
        assert needs.seconds > 0
    resampled = RunSpec(
        ModelRef("x"), one, ("head_ablation",), params={"head_ablation": {"kind": "resample", "draws": 3}}
    )
    assert planned(tiny_gpt2, resampled, 4).needs.passes == 1 + 3 * 3 * 4 / 2
    nothing = planned(tiny_gpt2, RunSpec(ModelRef("x"), (Prompt("a", ""),), ("occlusion",)), 4).needs
    assert (nothing.passes, nothing.seconds) == (0, 0)


def test_seconds_by_hand() -> None:
    """100 passes over 20 tokens are 2,000 tokens, 2 s. They fill 2000 / 1024 calls; all that are made are paid."""
    speed = Speed(call=0.1, token=0.001)
    assert Effort(200, 100, 30).seconds(20, 1, speed) == pytest.approx(2 + 30 * 0.1)
    assert Effort(200, 100, 30).seconds(20, 10, speed) == pytest.approx(2 + 3 * 0.1)  # ten prompts share a call
    assert Effort(200, 100, 30).seconds(20, 100, speed) == pytest.approx(2 + 2000 / 1024 * 0.1)
    both = total([Effort(3, 2, 2), Effort(10, 5, 1)])
    assert both == Effort(13, 7, 3)
    assert both.times(2) == Effort(26, 14, 6)


def test_calls_by_hand(tiny_gpt2: HFCausalBackend) -> None:
    """3 layers of 4 heads: a call reruns one layer's heads through half the model on average."""
    size = Size(tokens=10, words=8)
    params = {name: resolve_params(name, {}) for name in ("head_ablation", "activation_patching", "self_consistency")}
    found = efforts(params, size, tiny_gpt2.info)
    assert found["head_ablation"] == Effort(6, pytest.approx(1.2 * 6), 1.5)
    assert found["activation_patching"] == Effort(15, pytest.approx(0.85 * 15), 1.5)
    assert found["self_consistency"].calls == 5 * 20  # one for each new token of five
    assert found[SHARED] == Effort(1, 1, 1)


def test_continuations_that_probes_share_are_counted_once(tiny_gpt2: HFCausalBackend) -> None:
    size = Size(tokens=10, words=8)
    names = ("self_consistency", "semantic_entropy", "sampled_toxicity")
    params = {name: resolve_params(name, {}) for name in reversed(names)}
    params["semantic_entropy"]["samples"] = 8  # five of them are those of self-consistency
    found = efforts(params, size, tiny_gpt2.info)
    assert [found[name].most for name in names] == [5, 3, 0]
    assert [found[name].calls for name in names] == [5 * 20, 3 * 20, 0]
    params["sampled_toxicity"]["temperature"] = 0.5
    assert efforts(params, size, tiny_gpt2.info)["sampled_toxicity"].most == 5


def test_what_probes_share_is_what_they_draw(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the passes that `generate` makes: prompts times samples."""
    drawn: list[int] = []
    generate = tiny_gpt2.generate
    monkeypatch.setattr(
        tiny_gpt2, "generate", lambda texts, given: (drawn.append(len(texts)), generate(texts, given))[1]
    )
    given = {"samples": 3, "max_new_tokens": 2}
    asked = {"self_consistency": given, "sampled_toxicity": {**given, "samples": 4, "classifier": "linear"}}
    spec = RunSpec(ModelRef("x"), (Prompt("a", "The fox"),), tuple(asked), params=asked)
    run_batch(tiny_gpt2, spec, spec.prompts)
    full = {name: resolve_params(name, params) for name, params in asked.items()}
    found = efforts(full, Size(tokens=10, words=8), tiny_gpt2.info)
    assert sum(drawn) == sum(found[name].most for name in asked) == 4


def test_what_ov_copying_unembeds_is_counted(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Target and foil read alone, and for both a row of logits of every head."""
    info, rows = tiny_gpt2.info, list[int]()
    unembed = tiny_gpt2.unembed
    monkeypatch.setattr(tiny_gpt2, "unembed", lambda states: (rows.append(len(states)), unembed(states))[1])
    spec = RunSpec(ModelRef("x"), (Prompt("a", "The fox", " a", " the"),), ("ov_copying",))
    run_batch(tiny_gpt2, spec, spec.prompts)
    assert sum(rows) == 2 * info.n_layers * info.n_heads
    tokens = 2 + sum(rows) * info.vocab_size * info.d_model / info.n_params
    found = efforts({"ov_copying": {}}, Size(tokens=10, words=8), info)
    assert found["ov_copying"].most == pytest.approx(tokens / 10)
    shares = info.n_layers * info.vocab_size * info.d_model / info.n_params  # of the weights that its calls read
    assert found["ov_copying"].calls == pytest.approx(1 + shares)


def test_a_budget_bounds_what_is_told(tiny_gpt2: HFCausalBackend) -> None:
    one = (Prompt("a", "The fox found a door"),)
    spec = RunSpec(ModelRef("x"), one, ("saliency", "integrated_gradients", "head_ablation"), budget=100)
    needs = planned(tiny_gpt2, spec, 4).needs
    assert needs.passes == 3 + 6 + 3 * 30  # 91 left: 30 steps, there and back
    assert {name for name, _ in needs.costliest} == {"integrated_gradients", "head_ablation"}  # the order is measured
    shares = [share for _, share in needs.costliest]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) < 1  # the shared passes are nobody's


@pytest.mark.parametrize(("most", "workers", "refused"), [(0, 1, False), (9, 1, True), (10, 1, False), (5, 2, False)])
def test_a_limit_of_minutes(most: float, workers: int, refused: bool) -> None:
    needs = Preflight(2, 4, 6, 0, 0, seconds=600, costliest=(("co_ablation", 0.6), ("receipts", 0.25)))
    if not refused:
        return check_minutes(needs, most, workers)
    said = r"take 10 minutes, and --max-minutes allows 9\. Most of it is co_ablation \(60%\), receipts \(25%\):"
    with pytest.raises(InputError, match=said):
        check_minutes(needs, most, workers)
    return None


def test_what_takes_too_long_is_refused_before_it_starts(
    tiny_gpt2_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt_set = PromptSet("own", "1", "MIT", "test", "0" * 64, PROMPTS)
    request = JobRequest("e", str(tiny_gpt2_dir), prompt_set, ("head_ablation",), max_minutes=1e-9)
    monkeypatch.setattr(InlineEngine, "run_batch", lambda *_: pytest.fail("it began"))
    with pytest.raises(InputError, match=r"--max-minutes allows 1e-09\. Most of it is head_ablation"):
        handover.run(f"duckdb:///{tmp_path / 'a.duckdb'}", request, lambda *_: None, lambda: False)
    assert not (tmp_path / "a.duckdb").exists()


def test_a_job_that_was_begun_is_gone_on_with(tiny_gpt2_dir: Path) -> None:
    request = JobRequest(
        "e", str(tiny_gpt2_dir), PromptSet("own", "1", "MIT", "test", "0" * 64, PROMPTS), ("heads",), max_minutes=1e-9
    )
    row = type("Row", (), {"spec": request.to_json()})()
    assert going_on(row) == replace(request, max_minutes=0.0)


def free(monkeypatch: pytest.MonkeyPatch, n_bytes: int) -> None:
    monkeypatch.setattr("headscope.analysis.models.devices.free_bytes", lambda _: n_bytes)


def test_batches_take_half_of_what_is_free(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = tuple(Prompt(str(n), "The fox found a door") for n in range(8))
    spec = RunSpec(ModelRef("x"), prompts, ("heads",))
    each = prompt_bytes(tiny_gpt2.info, len(tiny_gpt2.tokenize(prompts[0].text)))
    for many, sizes in ((100, [8]), (6, [3, 3, 2]), (1, [1] * 8)):
        free(monkeypatch, many * each)
        found = planned(tiny_gpt2, spec, 16)
        assert [len(batch) for batch in found.batches] == sizes
        assert found.needs.memory_bytes == sizes[0] * each


def test_what_does_not_fit_at_all_is_refused(tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = RunSpec(ModelRef("x"), PROMPTS, ("attention_raw",))
    shortest = len(tiny_gpt2.tokenize(PROMPTS[0].text))
    free(monkeypatch, prompt_bytes(tiny_gpt2.info, shortest) - 1)
    with pytest.raises(InputError, match=f"even the shortest prompt's {shortest} tokens need about .*leave out heads"):
        planned(tiny_gpt2, spec, 4)
    without = replace(spec, analyses=("saliency",))
    with pytest.raises(InputError) as refused:
        planned(tiny_gpt2, replace(without, prompts=PROMPTS[3:]), 4)
    assert "leave out" not in str(refused.value)
    assert "--batch-size does not help" in str(refused.value)
    assert planned(tiny_gpt2, without, 4).needs.n_prompts == len(PROMPTS)  # the shortest has room without attention
