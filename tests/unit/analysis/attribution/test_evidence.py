"""Receipts: the test has the level it claims, and every number is what it says."""

from __future__ import annotations

from itertools import permutations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import kendalltau

from headscope.analysis.attribution.asked_again import NextTokens
from headscope.analysis.attribution.evidence import attach_receipts
from headscope.analysis.attribution.masking import Masking, masked_values, units_of
from headscope.analysis.attribution.orders import all_orders, counts, ranked
from headscope.analysis.attribution.removal_test import RemovalTest
from headscope.analysis.attribution.summed import next_tokens
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.methods.input_x_gradient import InputXGradient
from headscope.analysis.methods.saliency import Saliency
from headscope.analysis.methods.shapley_exact import ShapleyExact
from headscope.analysis.params import resolve_params
from headscope.analysis.types.receipts import Verdict

if TYPE_CHECKING:
    pass

from tests.receipt_parts import LONG, SHORT, knowing_nothing, loaded, prepared, receipts


@pytest.mark.parametrize("text", [SHORT, LONG])
def test_random_attributions_fail_at_least_95_times_in_100(tiny_gpt2: HFCausalBackend, text: str) -> None:
    """Of one prompt the verdicts are the stored ones; thousands of prompts are made up in test_orders."""
    work, targets = prepared(tiny_gpt2, text)
    found = receipts(work, targets, knowing_nothing(*range(200)), masking="mean", noise_draws=0)
    verdicts = [mine[0].verdict for mine in found.values()]
    exact = next(iter(found.values()))[0].exact
    assert exact is (text == SHORT)
    failed = np.mean([verdict is Verdict.NO_BETTER for verdict in verdicts])
    # with sampled orders 1 in 26 is expected over all draws of them; these twelve are one draw
    assert failed >= (0.93 if exact else 0.88)


def test_a_constant_attribution_is_a_random_one_whatever_else_was_asked(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, LONG)
    orders = set()
    for seed in range(5):
        test = RemovalTest(
            work, next_tokens(work, targets), resolve_params("receipts", {"masking": "mean", "seed": seed})
        )
        orders.add(tuple(ranked(np.zeros(len(test.subjects[0].units)), test.subjects[0].ties)))
    assert len(orders) == 5


def test_all_methods_of_a_request_are_held_against_the_same_orders(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, LONG, "One two three four five six seven")
    names = ("saliency", "input_x_gradient")
    together, alone = receipts(work, targets, loaded(*names)), receipts(work, targets, loaded(names[1]))
    for one, other, single in zip(*together.values(), alone[names[1]], strict=True):
        assert (one.random_low, one.random_high) == (other.random_low, other.random_high)
        np.testing.assert_array_equal(one.random_deletion, other.random_deletion)
        np.testing.assert_allclose(other.random_insertion, single.random_insertion, rtol=1e-4, atol=1e-5)
        assert (single.p_value, single.verdict) == (other.p_value, other.verdict)
        assert [part.masking for part in other.removal] == ["token", "delete"]
        assert other.masking == "token, delete"
        for name in ("gain", "comprehensiveness", "sufficiency", "recency_gain"):
            assert getattr(other, name) == pytest.approx(np.mean([getattr(part, name) for part in other.removal]))


@pytest.mark.parametrize("unit", ["token", "word", "auto"])
@pytest.mark.parametrize("text", [SHORT, LONG])
def test_curves_are_passes_of_their_own(tiny_llama: HFCausalBackend, text: str, unit: str) -> None:
    work, targets = prepared(tiny_llama, "The fox ran", text)
    (attribution,) = InputXGradient().attribute(work, targets, {})[1:]
    receipt = receipts(work, targets, loaded("input_x_gradient"), unit=unit)["input_x_gradient"][1]
    tokens = units_of(work.texts[1], len(work.texts[1]) - 1, "token")
    assert receipt.unit == (("token" if len(tokens) <= 8 else "word") if unit == "auto" else unit)
    units = np.array(units_of(work.texts[1], len(work.texts[1]) - 1, receipt.unit))
    assert (receipt.n_units, receipt.exact) == (len(units), len(units) <= 8)
    scores = np.array([np.nansum(attribution.scores[mask]) for mask in units])
    everything = np.ones(units.shape[1], dtype=bool)
    for masking, part in zip(("token", "delete"), receipt.removal, strict=True):
        for order, curves in (
            (np.argsort(-scores), (part.deletion, part.insertion)),
            (np.arange(len(units))[::-1], (part.recency_deletion, part.recency_insertion)),
        ):
            for k, count in enumerate(counts(len(units))):
                without = everything & ~units[order[:count]].any(0)
                alone = everything & ~units[order[count:]].any(0)
                value, *found = masked_values(work, targets, [1] * 3, [everything, without, alone], Masking(masking))
                assert curves[0][k] == pytest.approx(value - found[0], abs=1e-4)
                assert curves[1][k] == pytest.approx(value - found[1], abs=1e-4)
    assert receipt.gain == pytest.approx(receipt.comprehensiveness - receipt.sufficiency, abs=1e-5)
    assert receipt.random_gain == pytest.approx(0, abs=1e-6)
    assert receipt.n_random == (len(all_orders(len(units))) if receipt.exact else 12)


def test_few_units_are_all_orders_and_exact_shapley_values(tiny_llama: HFCausalBackend) -> None:
    work, targets = prepared(tiny_llama, "One two three four")
    asked = loaded("occlusion", "shapley_exact", unit="word", masking="delete")
    (units,) = (units_of(text, len(text) - 1, "word") for text in work.texts)
    assert len(units) == 5
    passes: list[int] = []
    forward, read = tiny_llama.forward, tiny_llama.read
    settings = {"unit": "word", "noise_draws": 0, "masking": "delete", "second_baseline": "none"}
    test = RemovalTest(work, next_tokens(work, targets), resolve_params("receipts", settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_llama, "forward", lambda *a, **k: passes.append(1) or forward(*a, **k))
        patch.setattr(tiny_llama, "read", lambda *a, **k: passes.append(1) or read(*a, **k))
        found = {name: one.method.attribute(work, targets, one.params) for name, one in asked.items()}
        receipts_of = {
            name: one.receipt for name, (one,) in attach_receipts(test, NextTokens(work, targets), asked, found).items()
        }
    assert passes == []  # everything is read from the lattice
    alone = {name: one.method.attribute(prepared(tiny_llama, "One two three four")[0], targets, one.params)
             for name, one in asked.items()}  # fmt: skip
    for name, (one,) in alone.items():
        np.testing.assert_allclose(found[name][0].scores, one.scores, rtol=1e-3, atol=1e-5)
    words = np.array([np.nansum(alone["shapley_exact"][0].scores[mask]) for mask in units])
    everything = np.ones(len(work.texts[0]), dtype=bool)
    gains = []
    for order in permutations(range(5)):
        kept = [np.array(units)[list(order[:count])].any(0) for count in counts(5)]
        masks = [everything & ~top for top in kept] + [~np.array(units).any(0) | top for top in kept]
        values = masked_values(work, targets, [0] * 8, masks, Masking("delete"))
        gains.append(values[4:].mean() - values[:4].mean())
    assert len(gains) == factorial(5)
    for name, receipt in receipts_of.items():
        assert receipt is not None
        scores = np.array([np.nansum(found[name][0].scores[mask]) for mask in units])
        mine = gains[list(permutations(range(5))).index(tuple(np.argsort(-scores).tolist()))]
        assert receipt.gain == pytest.approx(mine, abs=1e-4)
        assert receipt.p_value == pytest.approx(np.mean(np.array(gains) >= mine - 1e-5))
        assert (receipt.exact, receipt.n_random) == (True, 120)
        assert receipt.shapley_top1 == float(scores.argmax() == words.argmax())
        assert receipt.shapley_tau == pytest.approx(kendalltau(scores, words).statistic)
    assert receipts_of["shapley_exact"].shapley_tau == pytest.approx(1)  # type: ignore[union-attr]


def test_unsigned_scores_are_held_against_the_size_of_shapley_values(tiny_gpt2: HFCausalBackend) -> None:
    text = "One two three four five six"
    work, targets = prepared(tiny_gpt2, text)
    (receipt,) = receipts(work, targets, loaded("saliency"), masking="mean", unit="word")["saliency"]
    (exact,) = ShapleyExact().attribute(work, targets, {})
    (found,) = Saliency().attribute(work, targets, {})
    units = units_of(work.texts[0], len(work.texts[0]) - 1, "word")
    norms = [np.sqrt((found.scores[mask] ** 2).sum()) for mask in units]
    sizes = [abs(exact.scores[mask].sum()) for mask in units]
    assert receipt.shapley_tau == pytest.approx(kendalltau(norms, sizes).statistic)
    assert receipt.shapley_top1 == float(np.argmax(norms) == np.argmax(sizes))


def test_what_did_not_converge_says_so_first(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, LONG)
    asked = loaded("integrated_gradients", max_steps=17, tolerance=1e-6, agreement=1e-6)
    (receipt,) = receipts(work, targets, asked, masking="mean", noise_draws=0)["integrated_gradients"]
    assert receipt.verdict is Verdict.NOT_CONVERGED
    assert 0 < receipt.p_value <= 1


def test_few_tokens_and_heads_say_why_there_is_no_verdict(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, "One two", LONG)
    answers = receipts(work, targets, loaded("saliency", "head_ablation"), noise_draws=1)
    (short, long), heads = answers["saliency"], answers["head_ablation"][1]
    assert short.n_units < 4
    assert short.verdict is Verdict.UNMEASURED
    assert short.removal == ()
    assert "fewer than 4" in str(short.reason)
    assert long.verdict is not Verdict.UNMEASURED
    assert heads.verdict is Verdict.UNMEASURED
    assert "ranks tokens" in str(heads.reason)
    assert np.isnan([heads.gain, heads.p_value, heads.recency_gain, heads.shapley_tau, *heads.deletion]).all()
    assert heads.sensitivity > 0
