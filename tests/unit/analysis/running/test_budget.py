"""A budget of forward passes: shares by hand, and what a run says of what it did not get."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from headscope.analysis.params import resolve_params
from headscope.analysis.registry import analysis
from headscope.analysis.running import runner
from headscope.analysis.running.budget import fit
from headscope.analysis.running.preflight import SHARED, Size, efforts, total
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
    whole = total(efforts(params, SIZE, tiny_gpt2.info).values()).most
    free = fit(math.ceil(100 * whole), params, SIZE, tiny_gpt2.info)
    assert (free.params, free.reduced, free.left_out, free.done) == (params, {}, {}, params)
    for budget in (1, 5, 40, 150, 600):
        found = fit(budget, params, SIZE, tiny_gpt2.info)
        for name in params:
            changed = found.params[name] != params[name]
            assert changed == (name in found.reduced)
            assert not (name in found.reduced and name in found.left_out)
            assert analysis(name).cost.passes or name not in found.left_out
        shared = efforts(params, SIZE, tiny_gpt2.info)[SHARED].most
        assert total(efforts(found.done, SIZE, tiny_gpt2.info).values()).most <= max(shared, budget)


@pytest.mark.parametrize(
    ("name", "choice", "param", "normal"),
    [
        ("occlusion", {"plan": "coarse_to_fine"}, "passes", 64),
        ("integrated_gradients", {"rule": "riemann_middle"}, "n_steps", 50),
        ("expected_gradients", {"baselines": "standard"}, "points", 65),
    ],
)
def test_a_way_to_compute_is_reduced_by_its_own_parameter(
    tiny_gpt2: HFCausalBackend, name: str, choice: dict[str, Any], param: str, normal: int
) -> None:
    long = Size(tokens=200, words=150, sentences=9)
    params = full(name, **{name: choice})
    each = {"passes": 1, "n_steps": 3, "points": 24}[param]
    budget = 1 + 20 * each + 2 * (name == "integrated_gradients")
    found = fit(budget, params, long, tiny_gpt2.info)
    assert found.params[name] == {**params[name], param: 20}
    assert f"{param} 20 instead of {normal}: more would not fit" in found.reduced[name]


def test_coarse_to_fine_never_costs_more_than_there_is_to_remove(tiny_gpt2: HFCausalBackend) -> None:
    params = full("occlusion", occlusion={"plan": "coarse_to_fine"})
    assert efforts(params, SIZE, tiny_gpt2.info)["occlusion"].most == 10 + 8 + 1
    fits = fit(1 + 10 + 8 + 1, params, SIZE, tiny_gpt2.info)
    assert (fits.params, fits.reduced) == (params, {})


def test_receipts_go_without_what_they_ask_again_before_they_go(tiny_gpt2: HFCausalBackend) -> None:
    """10 tokens of 8 words: 2 x 2^7 coalitions; occlusion is 10, again under noise and with another masking."""
    params = full("occlusion", "receipts")
    lattices = 2 * 2**7
    whole = 1 + 10 + lattices + 20
    part = "only a part is there, without"
    cases = ((0, ""), (1, f"{part} a second baseline"), (11, f"{part} noise and a second baseline"))
    for less, said in cases:
        found = fit(whole - less, params, SIZE, tiny_gpt2.info)
        assert found.reduced.get("receipts", "").partition(":")[0] == said
        assert not found.left_out
    assert fit(whole - 21, params, SIZE, tiny_gpt2.info).left_out.keys() == {"receipts"}


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
