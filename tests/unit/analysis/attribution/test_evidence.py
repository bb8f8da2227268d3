"""Receipts: the test has the level it claims, good attributions pass it, and every number is what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from headscope.analysis.attribution.evidence import attach_receipts, random_weights
from headscope.analysis.attribution.masking import masked_values
from headscope.analysis.attribution.removal_test import FRACTIONS, RemovalTest, counts, p_value
from headscope.analysis.attribution.results import position_attribution
from headscope.analysis.interfaces import Capture, LoadedMethod
from headscope.analysis.methods.saliency import Saliency
from headscope.analysis.registry import Needs
from headscope.analysis.running.attributing import load_method
from headscope.analysis.types import Attribution, Target
from headscope.analysis.types.receipts import Verdict
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXT = "The quick fox found a small door in the wall and the dog ran away"
CAPTURE = Capture(gradients=True)


class RandomScores:
    """An attribution that knows nothing."""

    NAME = "random"

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def not_applicable(self, backend: Any) -> None:
        return None

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Any) -> list[Attribution]:
        return [
            position_attribution(
                self.NAME, target, self._generator.normal(size=len(text)).astype(np.float32), slice(0, len(text)),
                signed=True, value=1.0, seconds=0.0, params={},
            )
            for text, target in zip(work.texts, targets, strict=True)
        ]  # fmt: skip


def prepared(backend: HFCausalBackend, *texts: str, target: str | None = None) -> tuple[Workspace, list[Target]]:
    work = Workspace(backend, [backend.tokenize(text) for text in texts], CAPTURE)
    rows = zip(work.texts, work.next_logprobs, strict=True)
    return work, [backend.resolve_target(text, target, None, row) for text, row in rows]


@pytest.mark.thorough
def test_random_attributions_fail_at_least_95_times_in_100(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, TEXT)
    test = RemovalTest(work, targets, "mean", 12, 0)
    gains = [curve.gain for curve in test.curves(test.random[0])]
    generator = np.random.default_rng(1)
    scores = generator.normal(size=(400, len(work.texts[0]))).astype(np.float32)
    curves = test.curves([test.ranking(0, row) for row in scores])
    passed = sum(p_value(curve.gain, gains) <= 0.05 for curve in curves)
    # 1 / 26 are expected over all draws of the random orders; these twelve are one draw
    assert passed / len(scores) <= 0.1
    again = []
    for seed in range(40):
        other = RemovalTest(work, targets, "mean", 12, seed + 1)
        null = [curve.gain for curve in other.curves(other.random[0])]
        again += [p_value(curve.gain, null) <= 0.05 for curve in curves]
    assert np.mean(again) <= 0.05


def test_a_constant_attribution_is_a_random_one(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, TEXT)
    test = RemovalTest(work, targets, "mean", 12, 0)
    orders = {tuple(test.ranking(0, np.zeros(len(work.texts[0]), dtype=np.float32)).order) for _ in range(5)}
    assert len(orders) == 5


def test_the_order_that_removal_itself_gives_passes(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, TEXT)
    methods: Any = {"occlusion": load_method("occlusion", {}), "random": LoadedMethod(RandomScores(3), Needs(), {})}
    found = {name: one.method.attribute(work, targets, one.params) for name, one in methods.items()}
    answers = attach_receipts(work, targets, methods, found, {})
    good, bad = answers["occlusion"][0].receipt, answers["random"][0].receipt
    assert good is not None
    assert bad is not None
    assert good.verdict is Verdict.BETTER
    assert good.p_value == pytest.approx(1 / 26)
    assert good.gain > good.random_high
    assert bad.verdict is Verdict.NO_BETTER
    assert (good.n_random, good.n_units) == (12, len(work.texts[0]) - 1)
    assert good.random_low == pytest.approx(-good.random_high)


def test_curves_are_passes_of_their_own(tiny_llama: HFCausalBackend) -> None:
    work, targets = prepared(tiny_llama, TEXT, "One two three four five six")
    methods: Any = {"saliency": load_method("saliency", {})}
    found = {"saliency": Saliency().attribute(work, targets, {})}
    for i, one in enumerate(attach_receipts(work, targets, methods, found, {"masking": "delete"})["saliency"]):
        receipt, scores, size = one.receipt, one.scores, len(work.texts[i])
        assert receipt is not None
        removable = np.arange(1, size)
        order = removable[np.argsort(-scores[1:])]
        for k, count in enumerate(counts(size - 1)):
            without, alone = np.ones(size, dtype=bool), np.ones(size, dtype=bool)
            without[order[:count]] = False
            alone[order[count:]] = False
            values = masked_values(work, targets, [i, i], [without, alone], "delete")
            assert receipt.deletion[k] == pytest.approx(one.value - values[0], abs=1e-4)
            assert receipt.insertion[k] == pytest.approx(one.value - values[1], abs=1e-4)
        assert receipt.comprehensiveness == pytest.approx(receipt.deletion.mean(), abs=1e-5)
        assert receipt.sufficiency == pytest.approx(receipt.insertion.mean(), abs=1e-5)
        assert receipt.gain == pytest.approx(receipt.comprehensiveness - receipt.sufficiency, abs=1e-5)
        assert receipt.fractions.tolist() == pytest.approx(FRACTIONS)


def test_a_reversed_order_has_the_opposite_gain(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, TEXT)
    test = RemovalTest(work, targets, "mean", 9, 0)
    reversed_too = [replace(ranking, order=ranking.order[::-1]) for ranking in test.random[0]]
    for one, other in zip(test.curves(test.random[0]), test.curves(reversed_too), strict=True):
        assert one.gain == pytest.approx(-other.gain, abs=1e-6)
    assert all(sum(pair) == n for n in range(4, 40) for pair in zip(counts(n), reversed(counts(n)), strict=True))


def test_p_values_by_hand() -> None:
    assert p_value(3.0, [1.0, -2.0]) == pytest.approx(1 / 6)
    assert p_value(1.5, [1.0, -2.0]) == pytest.approx(2 / 6)
    assert p_value(-3.0, [1.0, -2.0]) == 1
    assert p_value(0.0, [0.0, 0.0]) == 1  # ties count against


def test_few_tokens_and_heads_say_why_there_is_no_verdict(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, "One two", TEXT)
    names = ("saliency", "head_ablation")
    methods: Any = {name: load_method(name, {}) for name in names}
    found = {name: one.method.attribute(work, targets, one.params) for name, one in methods.items()}
    answers = attach_receipts(work, targets, methods, found, {"noise_draws": 1})
    (short, long), heads = answers["saliency"], answers["head_ablation"][1].receipt
    assert short.receipt is not None
    assert short.receipt.verdict is (Verdict.UNMEASURED if len(work.texts[0]) <= 4 else short.receipt.verdict)
    assert long.receipt is not None
    assert long.receipt.verdict is not Verdict.UNMEASURED
    assert heads is not None
    assert heads.verdict is Verdict.UNMEASURED
    assert heads.reason is not None
    assert "ranks tokens" in heads.reason
    assert np.isnan(heads.gain)
    assert heads.sensitivity > 0


def test_sensitivity_grows_with_noise_and_receipts_do_not_depend_on_the_batch(tiny_llama: HFCausalBackend) -> None:
    methods: Any = {name: load_method(name, {}) for name in ("input_x_gradient", "layer_gradients")}

    def receipts(*texts: str, noise: float) -> list[Any]:
        work, targets = prepared(tiny_llama, *texts)
        found = {name: one.method.attribute(work, targets, one.params) for name, one in methods.items()}
        answers = attach_receipts(work, targets, methods, found, {"noise": noise})
        return [answers[name][-1].receipt for name in methods]

    small, large = receipts(TEXT, noise=0.001), receipts(TEXT, noise=0.2)
    assert all(0 < a.sensitivity < b.sensitivity for a, b in zip(small, large, strict=True))
    for alone, batched in zip(large, receipts("One two three", TEXT, noise=0.2), strict=True):
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
    work, targets = prepared(tiny_gpt2, TEXT)
    methods: Any = {"saliency": load_method("saliency", {})}
    found = {"saliency": Saliency().attribute(work, targets, {})}
    (one,) = attach_receipts(work, targets, methods, found, {"weight_randomisation": True})["saliency"]
    assert one.receipt is not None
    assert -1 <= one.receipt.randomisation < 0.99


def test_a_method_that_fails_on_noise_keeps_its_attribution(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, TEXT)
    method = RandomScores(1)
    found = {"random": method.attribute(work, targets, {})}
    method.attribute = lambda *_: (_ for _ in ()).throw(ValueError("no noise, please"))  # type: ignore[method-assign]
    methods: Any = {"random": LoadedMethod(method, Needs(), {})}
    (one,) = attach_receipts(work, targets, methods, found, {})["random"]
    assert one.receipt is not None
    assert one.receipt.reason is not None
    assert "no noise, please" in one.receipt.reason
    assert one.receipt.verdict is Verdict.NO_BETTER
    assert np.isnan(one.receipt.sensitivity)
