"""Receipts: the test has the level it claims, good attributions pass it, and every number is what it says."""

from __future__ import annotations

from itertools import permutations
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from headscope.analysis.attribution.again import random_weights
from headscope.analysis.attribution.evidence import attach_receipts
from headscope.analysis.attribution.masking import Masking, masked_values, units_of
from headscope.analysis.attribution.orders import all_orders, counts, ranked
from headscope.analysis.attribution.removal_test import RemovalTest, unit_scores
from headscope.analysis.attribution.results import failed_attribution, position_attribution
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture, LoadedMethod
from headscope.analysis.methods.input_x_gradient import InputXGradient
from headscope.analysis.methods.integrated_gradients import IntegratedGradients
from headscope.analysis.methods.occlusion import Occlusion
from headscope.analysis.methods.saliency import Saliency
from headscope.analysis.methods.shapley_exact import ShapleyExact
from headscope.analysis.params import resolve_params
from headscope.analysis.registry import Needs
from headscope.analysis.running.attributing import load_method
from headscope.analysis.types import Attribution, Target
from headscope.analysis.types.receipts import Receipt, Verdict
from headscope.analysis.workspace import Workspace
from tests.tiny_models import SENTENCES, build_tiny_gpt2

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHORT = "The quick fox found a small door"
LONG = "The quick fox found a small door in the wall and the dog ran away"
PLANTED, DECIDED = "three", " bread"  # a token each, and pieces of no other word
CAPTURE = Capture(gradients=True)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> HFCausalBackend:
    """The tiny GPT-2 with a rule: a direction of its own, which only the planted word's tokens have and every head
    hands on, raises the logit of the decided token."""
    folder: Path = build_tiny_gpt2(tmp_path_factory.mktemp("models") / "planted")
    backend = HFCausalBackend.load(str(folder))
    model: Any = backend.model
    plant(model, backend.tokenize(" " + PLANTED).ids.tolist(), int(backend.tokenize(DECIDED).ids[0]))
    return backend


@torch.no_grad()
def plant(model: Any, tokens: list[int], decided: int) -> None:
    """Not tied any more, the embedding gets the direction, layer 0 copies it from everywhere to everywhere, nothing
    else writes it, and the unembedding of the decided token reads it."""
    body, axis, size = model.transformer, 0, 4.0
    model.lm_head.weight = torch.nn.Parameter(body.wte.weight.clone())
    body.wte.weight[:, axis] = 0.0
    body.wpe.weight[:, axis] = 0.0
    body.wte.weight[tokens, axis] = size
    width = body.wte.weight.shape[1]
    for layer in body.h:
        for projection in (layer.attn.c_proj, layer.mlp.c_proj):
            projection.weight[:, axis] = 0.0
            projection.bias[axis] = 0.0
    first = body.h[0].attn
    first.c_attn.weight[:, 2 * width] = 0.0  # the first value channel of the first head carries the direction
    first.c_attn.weight[axis, 2 * width] = 1.0
    first.c_attn.bias[2 * width] = 0.0
    first.c_proj.weight[0, :] = 0.0
    first.c_proj.weight[0, axis] = 4.0
    model.lm_head.weight[:, axis] = 0.0
    model.lm_head.weight[decided, axis] = 8.0


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


def receipts(
    work: Workspace, targets: list[Target], methods: dict[str, LoadedMethod], **params: Any
) -> dict[str, list[Receipt]]:
    """Every method's receipts, as a request makes them."""
    test = RemovalTest(work, targets, resolve_params("receipts", params))
    found = {name: one.method.attribute(work, targets, one.params) for name, one in methods.items()}
    answers = attach_receipts(test, methods, found)
    return {name: [one.receipt for one in given if one.receipt is not None] for name, given in answers.items()}


def loaded(*names: str, **params: Any) -> dict[str, LoadedMethod]:
    return {name: load_method(name, params) for name in names}


def knowing_nothing(*seeds: int) -> dict[str, LoadedMethod]:
    return {f"random {seed}": LoadedMethod(RandomScores(seed), Needs(), {}) for seed in seeds}


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
        test = RemovalTest(work, targets, resolve_params("receipts", {"masking": "mean", "seed": seed}))
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
    test = RemovalTest(work, targets, resolve_params("receipts", {"unit": "word", "noise_draws": 0, "masking": "delete",
                                                                  "second_baseline": "none"}))  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_llama, "forward", lambda *a, **k: passes.append(1) or forward(*a, **k))
        patch.setattr(tiny_llama, "read", lambda *a, **k: passes.append(1) or read(*a, **k))
        found = {name: one.method.attribute(work, targets, one.params) for name, one in asked.items()}
        receipts_of = {name: one.receipt for name, (one,) in attach_receipts(test, asked, found).items()}
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


def test_what_did_not_converge_says_so_first(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2, LONG)
    asked = loaded("integrated_gradients", max_steps=17, tolerance=1e-6, agreement=1e-6)
    (receipt,) = receipts(work, targets, asked, masking="mean", noise_draws=0)["integrated_gradients"]
    assert receipt.verdict is Verdict.NOT_CONVERGED
    assert 0 < receipt.p_value <= 1


def test_a_planted_token_is_first(planted: HFCausalBackend) -> None:
    """Its embedding alone decides the target; it stands anywhere, among other words every time."""
    generator = np.random.default_rng(4)
    words = [word for word in " ".join(SENTENCES).replace(",", "").replace(".", "").split() if word != PLANTED]
    texts = []
    for _ in range(24):
        chosen = generator.choice(words, 5).tolist()
        texts.append(" ".join(np.insert(np.array(chosen, dtype=object), generator.integers(1, 6), PLANTED)))
    work, targets = prepared(planted, *texts, target=DECIDED)
    token = planted.tokenize(" " + PLANTED).ids[0]
    units = [units_of(text, len(text) - 1, "word") for text in work.texts]
    places = [
        [bool(mask[text.ids == token].any()) for mask in mine].index(True)
        for mine, text in zip(units, work.texts, strict=True)
    ]
    asked = {**loaded("occlusion", masking="delete"), **loaded("integrated_gradients"),
             **loaded("shapley_exact", masking="delete")}  # fmt: skip
    found = receipts(work, targets, asked, unit="word", noise_draws=0)
    for name, one in asked.items():
        first = [
            int(np.nanargmax(unit_scores(answer, answer.scores.astype(float), mine)))
            for answer, mine in zip(one.method.attribute(work, targets, one.params), units, strict=True)
        ]
        assert np.mean(np.array(first) == places) >= 0.95, (name, first, places)
        assert np.mean([receipt.shapley_top1 for receipt in found[name]]) >= 0.95


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
    test = RemovalTest(work, targets, resolve_params("receipts", {}))
    (one,) = attach_receipts(test, {"random": LoadedMethod(method, Needs(), {})}, found)["random"]
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
    test = RemovalTest(work, targets, resolve_params("receipts", {}))
    assert attach_receipts(test, methods, {"integrated_gradients": failed}) == {"integrated_gradients": failed}
