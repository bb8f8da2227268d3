"""A budget of forward passes: shares by hand, and what a run says of what it did not get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from headscope.analysis.params import resolve_params
from headscope.analysis.registry import analysis
from headscope.analysis.running import runner
from headscope.analysis.running.budget import fit
from headscope.analysis.running.preflight import Size, own_passes, shared_passes
from headscope.analysis.types import Prompt, RunSpec

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

SIZE = Size(tokens=10, words=8)


def full(*names: str, **changed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: resolve_params(name, changed.get(name, {})) for name in names}


def test_shares_are_equal_and_the_cheapest_come_first(tiny_gpt2: HFCausalBackend) -> None:
    """3 shared passes; of the 87 that are left occlusion gets its 10, then two share 77: 38 each, 3 a step."""
    params = full("saliency", "occlusion", "smoothgrad", "integrated_gradients")
    found = fit(90, params, SIZE, tiny_gpt2.info)
    assert found.params["occlusion"] == params["occlusion"]
    assert found.params["smoothgrad"]["samples"] == 12  # 38.5 / 3
    assert found.left_out.keys() == {"integrated_gradients"}  # 41 left, and 17 steps are 51
    assert "smallest max_steps, 17" in found.left_out["integrated_gradients"]
    assert found.reduced == {
        "smoothgrad": "samples 12 instead of 16: more would not fit into the budget of 90 forward passes a prompt"
    }


def test_enough_changes_nothing_and_nothing_is_left_out_silently(tiny_gpt2: HFCausalBackend) -> None:
    params = full("heads", "saliency", "occlusion", "integrated_gradients", "head_ablation", "receipts", "toxicity")
    entries = {name: analysis(name) for name in params}
    whole = shared_passes(entries.values()) + sum(
        own_passes(entry.cost, params[name], SIZE, tiny_gpt2.info) for name, entry in entries.items()
    )
    free = fit(100 * int(whole), params, SIZE, tiny_gpt2.info)
    assert (free.params, free.reduced, free.left_out) == (params, {}, {})
    for budget in (1, 5, 40, 150, 600):
        found = fit(budget, params, SIZE, tiny_gpt2.info)
        for name, entry in entries.items():
            changed = found.params[name] != params[name]
            assert changed == (name in found.reduced)
            assert not (name in found.reduced and name in found.left_out)
            assert entry.cost.passes or name not in found.left_out
        spent = sum(
            own_passes(entry.cost, found.params[name], SIZE, tiny_gpt2.info)
            for name, entry in entries.items()
            if name not in found.left_out
        )
        assert spent <= max(0, budget - shared_passes(entries.values()))


def test_a_run_says_what_it_did_not_get(tiny_gpt2: HFCausalBackend) -> None:
    analyses = ("saliency", "smoothgrad", "integrated_gradients", "receipts")
    spec = RunSpec(tiny_gpt2.info.ref, (), analyses, budget=30)
    prompts = (Prompt("a", "the cat sat on the mat"), Prompt("b", "the cat"), Prompt("c", "a dog ran on the mat"))
    together = runner.run_batch(tiny_gpt2, spec, prompts)
    for prompt, result in zip(prompts, together, strict=True):
        _, integrated, smooth = result.attributions
        assert 1 <= smooth.params["samples"] < 16
        assert "instead of 16" in str(smooth.outcome.facts["budget"])
        assert integrated.error is not None
        assert "left out" in integrated.error
        assert [(part.part, part.kind) for part in result.missing] == [("receipts", "budget")]
        alone = runner.run_batch(tiny_gpt2, spec, [prompt])[0]
        assert alone.attributions[2].params == smooth.params
        assert alone.attributions[2].scores.tolist() == pytest.approx(smooth.scores.tolist(), rel=1e-4, nan_ok=True)
        assert alone.result_key == result.result_key


def test_a_budget_is_part_of_a_results_identity(tiny_gpt2: HFCausalBackend) -> None:
    prompt = Prompt("a", "the cat")
    keys = [
        runner.run_batch(tiny_gpt2, RunSpec(tiny_gpt2.info.ref, (), ("heads",), budget=budget), [prompt])[0].result_key
        for budget in (0, 30, 40)
    ]
    assert len(set(keys)) == 3
