"""Methods asked again: from another baseline, of noisy embeddings, of random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from headscope.analysis.attribution import again
from headscope.analysis.attribution.again import random_weights
from headscope.analysis.attribution.asked_again import NextTokens
from headscope.analysis.attribution.evidence import attach_receipts
from headscope.analysis.attribution.removal_test import RemovalTest
from headscope.analysis.attribution.results import failed_attribution
from headscope.analysis.attribution.summed import next_tokens
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import LoadedMethod
from headscope.analysis.methods.integrated_gradients import IntegratedGradients
from headscope.analysis.methods.occlusion import Occlusion
from headscope.analysis.params import resolve_params
from headscope.analysis.registry import Needs
from headscope.analysis.types.receipts import Receipt, Verdict

if TYPE_CHECKING:
    pass

from tests.factories import make_attribution
from tests.receipt_parts import LONG, SHORT, RandomScores, loaded, prepared, receipts


def test_a_second_baseline_is_the_next_choice(tiny_llama: HFCausalBackend) -> None:
    work, targets = prepared(tiny_llama, SHORT)
    asked = {**loaded("occlusion", "saliency"), **loaded("integrated_gradients", max_steps=65)}
    found = {name: mine[0] for name, mine in receipts(work, targets, asked).items()}
    by_token, by_mean = (
        Occlusion().attribute(work, targets, {"masking": kind})[0].scores for kind in ("token", "mean")
    )
    assert found["occlusion"].second_baseline == "masking token"
    assert found["occlusion"].baseline_tau == pytest.approx(kendalltau(by_token[1:], by_mean[1:]).statistic)
    assert found["integrated_gradients"].second_baseline == "baseline eos"
    assert -1 <= found["integrated_gradients"].baseline_tau < 1
    assert (found["saliency"].second_baseline, np.isnan(found["saliency"].baseline_tau)) == ("", True)
    dear = loaded("integrated_gradients")
    assert receipts(work, targets, dear)["integrated_gradients"][0].second_baseline == ""
    assert receipts(work, targets, dear, second_baseline="all")["integrated_gradients"][0].second_baseline != ""


def test_scores_that_are_no_numbers_take_no_part_in_how_far_scores_moved() -> None:
    inf, nan = np.inf, np.nan
    one = make_attribution("saliency", np.array([1.0, 3.0, nan, 5.0, inf]))
    other = make_attribution("saliency", np.array([1.0, 2.0, 7.0, nan, 1.0]))
    assert again._change(one, other) == pytest.approx(1 / np.sqrt(5))  # of the first two
    assert np.isnan(again._change(make_attribution("saliency", np.full(5, inf)), other))


def test_sensitivity_grows_with_noise_and_receipts_do_not_depend_on_the_batch(tiny_llama: HFCausalBackend) -> None:
    def last(*texts: str, noise: float) -> list[Receipt]:
        found = receipts(*prepared(tiny_llama, *texts), loaded("input_x_gradient", "layer_gradients"), noise=noise)
        return [mine[-1] for mine in found.values()]

    for text in (SHORT, LONG):
        small, large = last(text, noise=0.001), last(text, noise=0.2)
        assert all(0 < a.sensitivity < b.sensitivity for a, b in zip(small, large, strict=True))
        for alone, batched in zip(large, last("One two three", text, noise=0.2), strict=True):
            assert batched.sensitivity == pytest.approx(alone.sensitivity, rel=1e-2)
            assert batched.p_value == alone.p_value
            assert batched.gain == pytest.approx(alone.gain, abs=1e-3)


def test_random_weights_change_everything_and_are_put_back(tiny_gpt2: HFCausalBackend) -> None:
    before = [parameter.clone() for parameter in tiny_gpt2.model.parameters()]
    drawn: list[torch.Tensor] = []

    def leave() -> None:
        with random_weights(tiny_gpt2.model, 0):
            drawn.extend(parameter.clone() for parameter in tiny_gpt2.model.parameters())
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        leave()
    assert not any(torch.equal(one, other) for one, other in zip(drawn, before, strict=True) if one.std() > 0)
    assert all(torch.equal(one, other) for one, other in zip(tiny_gpt2.model.parameters(), before, strict=True))
    (receipt,) = receipts(*prepared(tiny_gpt2, LONG), loaded("saliency"), weight_randomisation=True)["saliency"]
    assert -1 <= receipt.randomisation < 0.99


def test_a_method_that_fails_on_noise_keeps_its_attribution(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, LONG)
    method = RandomScores(1)
    found = {"random": method.attribute(work, targets, {})}
    method.attribute = lambda *_: (_ for _ in ()).throw(ValueError("no noise, please"))  # type: ignore[method-assign]
    test = RemovalTest(work, next_tokens(work, targets), resolve_params("receipts", {}))
    (one,) = attach_receipts(test, NextTokens(work, targets), {"random": LoadedMethod(method, Needs(), {})}, found)[
        "random"
    ]
    assert one.receipt is not None
    assert "no noise, please" in str(one.receipt.reason)
    assert one.receipt.verdict is Verdict.NO_BETTER
    assert np.isnan(one.receipt.sensitivity)


def test_methods_share_noisy_copies_and_answer_as_alone(
    tiny_llama: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saliency and gradient x input read one pass over the six copies."""
    sizes, forward = [], HFCausalBackend.forward
    counted = lambda self, batch, *given, **more: sizes.append(len(batch.texts)) or forward(self, batch, *given, **more)  # noqa: E731
    monkeypatch.setattr(HFCausalBackend, "forward", counted)
    texts = (LONG, "One two three four five six")
    both = receipts(*prepared(tiny_llama, *texts), loaded("saliency", "input_x_gradient"), masking="mean")
    assert sizes.count(6) == 1
    for name, found in both.items():
        (alone,) = receipts(*prepared(tiny_llama, *texts), loaded(name), masking="mean").values()
        assert [one.sensitivity for one in found] == [one.sensitivity for one in alone]
        assert all(one.sensitivity > 0 for one in found)


def test_what_has_failed_is_not_asked_again(tiny_llama: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    work, targets = prepared(tiny_llama, LONG)
    methods = loaded("integrated_gradients")
    failed = [failed_attribution("integrated_gradients", targets[0], "left out", signed=True, seconds=0, params={})]
    monkeypatch.setattr(IntegratedGradients, "attribute", lambda *_: pytest.fail("asked again"))
    test = RemovalTest(work, next_tokens(work, targets), resolve_params("receipts", {}))
    assert attach_receipts(test, NextTokens(work, targets), methods, {"integrated_gradients": failed}) == {
        "integrated_gradients": failed
    }
