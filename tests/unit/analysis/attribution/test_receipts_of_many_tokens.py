"""Receipts of whole targets and of continuations, against removing units in passes of the test's own."""

from __future__ import annotations

from itertools import permutations
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from headscope.analysis.attribution.embedding_path import baseline_embedding
from headscope.analysis.attribution.masking import units_of
from headscope.analysis.attribution.orders import counts
from headscope.analysis.running import runner
from headscope.analysis.types import Attribution, GenerationParams, Prompt, RunResult, RunSpec
from headscope.analysis.types.receipts import Receipt, Verdict
from tests.joint_passes import both, embedded, joint, one_token

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

PROMPT = Prompt("a", "the cat sat on", " the small door", " a door in the wall")
ALONE = Prompt("b", "one two three four", " five six")
LONG = Prompt("c", "The quick fox found a small door in the wall and the dog ran away", " from it", " with it")


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def backend(request: pytest.FixtureRequest) -> HFCausalBackend:
    found: HFCausalBackend = request.getfixturevalue(request.param)
    return found


def run(
    backend: HFCausalBackend, *prompts: Prompt, methods: tuple[str, ...], explain: str, new: int = 0, **params: Any
) -> list[RunResult]:
    settings = {"noise_draws": 0, "second_baseline": "none", **params}
    spec = RunSpec(backend.info.ref, (), ("receipts", *methods), params={"receipts": settings}, explain=explain,
                   generation=GenerationParams(max_new_tokens=new))  # fmt: skip
    return runner.run_batch(backend, spec, prompts)


def evidence(found: Attribution) -> Receipt:
    assert found.error is None
    assert found.receipt is not None
    return found.receipt


@torch.no_grad()
def lost(backend: HFCausalBackend, value: Any, prompt: Prompt, keep: np.ndarray, masking: str) -> float:
    """By how much the quantity falls without the tokens where `keep` `[T]` is False, in two passes."""
    start = embedded(backend, prompt)
    if masking == "delete":
        changed = start[:, torch.from_numpy(keep)]
    else:
        changed = start.clone()
        changed[:, torch.from_numpy(~keep)] = baseline_embedding(backend, "newline")[1]
    return float(value(start)[0] - value(changed)[0])


def gains(backend: HFCausalBackend, value: Any, prompt: Prompt, orders: list[tuple[int, ...]], unit: str) -> np.ndarray:
    """The gain of each order of the prompt's units, the mean over both maskings."""
    text = backend.tokenize(prompt.text)
    units = np.array(units_of(text, len(text) - 1, unit))
    seen: dict[tuple[bytes, str], float] = {}

    def fall(keep: np.ndarray, masking: str) -> float:
        key = (keep.tobytes(), masking)
        if key not in seen:
            seen[key] = lost(backend, value, prompt, keep, masking)
        return seen[key]

    found = []
    for order in orders:
        tops = [units[list(order[:count])].any(0) for count in counts(len(units))]
        found.append(np.mean([fall(~top, masking) - fall(~units.any(0) | top, masking)
                              for top in tops for masking in ("token", "delete")]))  # fmt: skip
    return np.array(found)


def check(backend: HFCausalBackend, prompt: Prompt, value: Any, scores: np.ndarray, receipt: Receipt) -> None:
    """Scores `[T]` of a signed method."""
    text = backend.tokenize(prompt.text)
    units = units_of(text, len(text) - 1, receipt.unit)
    mine = tuple(np.argsort([-np.nansum(scores[mask]) for mask in units]).tolist())
    recency = tuple(range(len(units)))[::-1]
    assert receipt.n_units == len(units)
    gain, late = gains(backend, value, prompt, [mine, recency], receipt.unit)
    assert receipt.gain == pytest.approx(gain, abs=2e-4)
    assert receipt.recency_gain == pytest.approx(late, abs=2e-4)
    assert receipt.exact is (len(units) <= 8)
    if len(units) <= 6:
        every = gains(backend, value, prompt, list(permutations(range(len(units)))), receipt.unit)
        assert receipt.p_value == pytest.approx(np.mean(every >= gain - 1e-5))
        assert receipt.random_gain == pytest.approx(0, abs=1e-5)
        expected = shapley(backend, value, prompt, units)
        summed = [np.nansum(scores[mask]) for mask in units]
        assert receipt.shapley_top1 == float(np.argmax(summed) == np.argmax(expected))
        assert receipt.shapley_tau == pytest.approx(kendalltau(summed, expected).statistic)


def shapley(backend: HFCausalBackend, value: Any, prompt: Prompt, units: list[np.ndarray]) -> np.ndarray:
    """Mean over all orders of what each unit adds when it comes in, and over both maskings."""
    members, found = np.array(units), np.zeros(len(units))
    seen: dict[tuple[frozenset[int], str], float] = {}
    for masking in ("token", "delete"):
        for order in permutations(range(len(units))):
            for place, unit in enumerate(order):
                for there, sign in ((order[: place + 1], -1), (order[:place], 1)):
                    key = (frozenset(there), masking)
                    if key not in seen:
                        keep = ~members.any(0) | members[list(there)].any(0)
                        seen[key] = lost(backend, value, prompt, keep, masking)
                    found[unit] += sign * seen[key]
    return found / (2 * factorial(len(units)))


@pytest.mark.parametrize("prompt", [PROMPT, ALONE, LONG], ids=["with a foil", "alone", "long"])
def test_of_a_whole_target_units_are_removed_from_its_joint_log_probability(
    backend: HFCausalBackend, prompt: Prompt
) -> None:
    unit = "token" if prompt is LONG else "word"
    _, result = run(backend, Prompt("x", "one two", " three"), prompt, methods=("input_x_gradient",), explain="target",
                    unit=unit)  # fmt: skip
    (found,) = result.attributions
    check(backend, prompt, lambda start: both(backend, start, prompt), found.scores, evidence(found))
    assert result.missing == ()


@pytest.mark.parametrize("prompt", [ALONE, LONG], ids=["short", "long"])
def test_a_continuation_has_one_receipt_of_its_joint_log_probability(backend: HFCausalBackend, prompt: Prompt) -> None:
    unit = "token" if prompt is LONG else "word"
    _, result = run(backend, Prompt("x", "The fox"), prompt, methods=("input_x_gradient", "head_ablation"), new=3,
                    explain="continuation", unit=unit)  # fmt: skip
    found, heads = result.attributions
    assert result.continuation is not None
    ids = result.continuation.ids.tolist()
    summed = found.scores[:, : -len(ids)].sum(0)
    check(backend, prompt, lambda start: joint(backend, start, ids), summed, evidence(found))
    assert evidence(heads).verdict is Verdict.UNMEASURED
    assert "ranks tokens" in str(evidence(heads).reason)


def test_a_method_that_leaves_the_foil_out_is_tested_without_it(tiny_gpt2: HFCausalBackend) -> None:
    methods = ("saliency", "input_x_gradient")
    (result,) = run(tiny_gpt2, PROMPT, methods=methods, explain="target", unit="word")
    bare = Prompt("d", PROMPT.text, PROMPT.target)
    (alone,) = run(tiny_gpt2, bare, methods=methods, explain="target", unit="word")
    norms, products = (evidence(one) for one in result.attributions)
    assert norms.gain == pytest.approx(evidence(alone.attributions[0]).gain, abs=1e-5)
    assert abs(products.gain - evidence(alone.attributions[1]).gain) > 1e-3


def test_of_one_token_the_receipt_is_the_ordinary_one(backend: HFCausalBackend) -> None:
    """Also where methods are asked again: with noise, of random weights, from another baseline."""
    asked = {"noise_draws": 2, "second_baseline": "cheap", "weight_randomisation": True}
    methods = ("input_x_gradient", "occlusion")
    prompt = one_token(backend, "one two three four")
    ordinary, found = (
        run(backend, prompt, methods=methods, explain=explain, **asked)[0] for explain in ("next", "target")
    )
    for one, other in zip(found.attributions, ordinary.attributions, strict=True):
        for name in ("gain", "p_value", "recency_gain", "shapley_tau", "sensitivity", "baseline_tau", "randomisation"):
            mine, expected = getattr(evidence(one), name), getattr(evidence(other), name)
            assert mine == pytest.approx(expected, rel=1e-3, abs=1e-4, nan_ok=True), (one.method, name)
        assert evidence(one).second_baseline == evidence(other).second_baseline
        assert evidence(one).sensitivity > 0


def test_methods_are_asked_again_for_all_tokens(tiny_llama: HFCausalBackend) -> None:
    asked = {"noise_draws": 1, "second_baseline": "cheap"}
    (result,) = run(tiny_llama, ALONE, methods=("occlusion",), explain="continuation", new=3, **asked)
    receipt = evidence(result.attributions[0])
    by_mean, by_token = (summed_scores(tiny_llama, ALONE, 3, masking=masking) for masking in ("mean", "token"))
    assert receipt.second_baseline == "masking token"
    assert receipt.baseline_tau == pytest.approx(kendalltau(by_mean[1:], by_token[1:]).statistic)
    assert receipt.sensitivity > 0


def summed_scores(backend: HFCausalBackend, prompt: Prompt, new: int, **params: Any) -> np.ndarray:
    """Occlusion's scores of the prompt's tokens, summed over the generated tokens."""
    spec = RunSpec(backend.info.ref, (), ("occlusion",), params={"occlusion": params}, explain="continuation",
                   generation=GenerationParams(max_new_tokens=new))  # fmt: skip
    scores = runner.run_batch(backend, spec, [prompt])[0].attributions[0].scores
    return scores[:, :-new].sum(0)


def test_what_has_no_scores_has_no_receipt(tiny_gpt2: HFCausalBackend) -> None:
    same = Prompt("f", "the cat sat on the mat", " door", " door")
    failed, there = run(tiny_gpt2, same, PROMPT, methods=("input_x_gradient",), explain="target")
    assert failed.attributions[0].receipt is None
    assert "same tokens" in str(failed.attributions[0].error)
    assert evidence(there.attributions[0]).n_units > 0
