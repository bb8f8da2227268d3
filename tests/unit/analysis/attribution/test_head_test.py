"""Receipts of methods that score heads, against whole passes with hooks of the test's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from headscope.analysis.attribution.head_test import HeadTest, head_scores
from headscope.analysis.attribution.orders import counts
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.interfaces import Capture
from headscope.analysis.params import resolve_params
from headscope.analysis.registry.receipts import HELPS
from headscope.analysis.running import runner
from headscope.analysis.types import Attribution, Prompt, RunSpec, Target
from headscope.analysis.types.receipts import Verdict
from headscope.analysis.workspace import Workspace
from tests.factories import make_attribution
from tests.hooked_heads import Change, value_with

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend
    from headscope.analysis.types.receipts import Receipt

PROMPTS = (Prompt("a", "One two three"), Prompt("b", "The quick fox found a small door"))
N_LAYERS, N_HEADS = 3, 4


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def backend(request: pytest.FixtureRequest) -> HFCausalBackend:
    found: HFCausalBackend = request.getfixturevalue(request.param)
    return found


def run(backend: HFCausalBackend, *methods: str, **params: Any) -> list[tuple[Target, dict[str, Attribution]]]:
    quiet = {"receipts": {"noise_draws": 0}}
    spec = RunSpec(backend.info.ref, (), ("receipts", *methods), params={**quiet, **params})
    found = runner.run_batch(backend, spec, PROMPTS)
    assert all(result.target is not None for result in found)
    return [(result.target, {one.method: one for one in result.attributions}) for result in found]  # type: ignore[misc]


def evidence(found: Attribution) -> Receipt:
    assert found.receipt is not None
    return found.receipt


def lost(backend: HFCausalBackend, text: str, target: Target, heads: list[int], put: str) -> float:
    """By how much the quantity falls without these heads (layer * H + head), in two whole passes."""
    size = backend.head_weights(0).shape[1]
    with entering(backend.structure.head_projections) as seen:
        backend.forward(backend.batch([backend.tokenize(text)]), Capture())
    outputs = [mixed[0] for mixed, _, _ in seen]

    def replaced(layer: int, head: int) -> Change:
        clean = outputs[layer][:, head * size : (head + 1) * size]
        put_in = clean.mean(0) if put == "mean" else torch.zeros(size)
        return put_in.expand_as

    changes = {divmod(head, N_HEADS): replaced(*divmod(head, N_HEADS)) for head in heads}
    return value_with(backend, text, target, {}) - value_with(backend, text, target, changes)


@pytest.mark.parametrize(("method", "params", "put"), [
    ("head_ablation", {"kind": "zero"}, "zero"), ("head_ablation", {"kind": "mean"}, "mean"),
    ("co_ablation", {"kind": "zero"}, "zero"), ("direct_logit_attribution", {}, "mean"),
])  # fmt: skip
def test_heads_are_removed_in_the_order_of_their_scores(
    backend: HFCausalBackend, method: str, params: dict[str, str], put: str
) -> None:
    target, found = run(backend, method, **{method: params})[1]
    scores = {"co_ablation": lambda one: one[0], "direct_logit_attribution": lambda one: one[:, :-1]}
    mine = scores.get(method, lambda one: one)(found[method].scores).ravel()
    receipt, everything = evidence(found[method]), range(N_LAYERS * N_HEADS)
    assert (receipt.unit, receipt.masking, receipt.n_units) == ("head", put, len(everything))
    assert (receipt.exact, receipt.n_random, receipt.verdict is Verdict.UNMEASURED) == (False, 12, False)
    (part,) = receipt.removal
    for order, curves in (
        (np.argsort(-mine).tolist(), (receipt.deletion, receipt.insertion)),
        (list(everything)[::-1], (part.recency_deletion, part.recency_insertion)),
    ):
        for k, count in enumerate(counts(len(everything))):
            assert curves[0][k] == pytest.approx(lost(backend, PROMPTS[1].text, target, order[:count], put), abs=2e-4)
            assert curves[1][k] == pytest.approx(lost(backend, PROMPTS[1].text, target, order[count:], put), abs=2e-4)
    assert receipt.gain == pytest.approx(receipt.comprehensiveness - receipt.sufficiency, abs=1e-5)
    assert receipt.random_gain == pytest.approx(0, abs=1e-6)
    assert receipt.p_value * 26 == pytest.approx(round(receipt.p_value * 26))


def test_methods_of_one_request_are_held_against_the_same_orders(tiny_gpt2: HFCausalBackend) -> None:
    together = run(tiny_gpt2, "head_ablation", "direct_logit_attribution", head_ablation={"kind": "mean"})
    alone = run(tiny_gpt2, "direct_logit_attribution")
    for (_, both), (_, one) in zip(together, alone, strict=True):
        ablation, direct = (evidence(both[name]) for name in ("head_ablation", "direct_logit_attribution"))
        assert (ablation.random_low, ablation.random_high) == (direct.random_low, direct.random_high)
        assert direct.p_value == evidence(one["direct_logit_attribution"]).p_value
        assert direct.gain == pytest.approx(evidence(one["direct_logit_attribution"]).gain, abs=1e-4)


def test_random_heads_are_no_better_than_random(tiny_gpt2: HFCausalBackend) -> None:
    work = Workspace(tiny_gpt2, [tiny_gpt2.tokenize(PROMPTS[1].text)], Capture())
    targets = [tiny_gpt2.resolve_target(work.texts[0], None, None, work.next_logprobs[0])]
    test = HeadTest(work, targets, resolve_params("receipts", {}), "zero")
    rng = np.random.default_rng(0)
    drawn = [make_attribution("head_ablation", rng.normal(size=(N_LAYERS, N_HEADS))) for _ in range(200)]
    found = test.run([[replace(one, axes=("layer", "head"))] for one in drawn])
    p_values = np.array([one.p_value for (one,) in found if one is not None])
    assert len(p_values) == 200
    assert np.mean(p_values <= 0.05) <= 0.12  # one draw of twelve orders: 1 in 26 is expected over all draws


def test_which_scores_are_of_heads_and_what_their_sign_means() -> None:
    scores = np.arange(12, dtype=np.float32).reshape(2, 6)
    shown = {"head_ablation": ("layer", "head"), "direct_logit_attribution": ("layer", "component"),
             "relp": ("layer", "component")}  # fmt: skip
    found = {name: head_scores(replace(make_attribution(name, scores), axes=axes)) for name, axes in shown.items()}
    assert found["head_ablation"].tolist() == list(range(12))  # type: ignore[union-attr]
    assert found["direct_logit_attribution"].tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]  # type: ignore[union-attr]
    assert (-found["relp"]).tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]  # type: ignore[operator]
    two = replace(make_attribution("co_ablation", np.stack([scores, -scores])), axes=("condition", "layer", "head"))
    assert head_scores(two).tolist() == list(range(12))  # type: ignore[union-attr]
    assert head_scores(replace(two, method="activation_patching")) is None
    assert head_scores(make_attribution("head_ablation", np.empty(0), error="no")) is None
    rows = replace(make_attribution("head_ablation", np.stack([scores])), axes=("target_position", "layer", "head"))
    assert head_scores(rows) is None
    assert set(HELPS) == {"head_ablation", "co_ablation", "direct_logit_attribution", "relp"}
