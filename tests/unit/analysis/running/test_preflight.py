"""What a request is said to need, against what it then takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import InputError
from headscope.analysis.running.runner import planned, run_batch
from headscope.analysis.types import ModelRef, Prompt, PromptSet, RunSpec
from headscope.cli import handover
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
    wanted = {
        (): 1, ("heads", "layers"): 1, ("saliency", "input_x_gradient"): 3, ("occlusion",): 1 + tokens,
        ("smoothgrad",): 1 + 3 * 4, ("shapley_exact",): 1 + 2**5, ("head_ablation",): 1 + 3 * 4 / 2,
        ("co_ablation",): 1 + 3 * 4, ("shap_partition",): 1 + 120, ("shap_kernel",): 1 + min(500, 2**tokens),
        ("receipts",): 1 + 1.5 * 2 * 2 ** (4 if tokens > 9 else tokens - 1),
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
