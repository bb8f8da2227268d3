"""The evidence as it is shown: verdicts in words, numbers with units, what was not measured said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headscope.analysis.types.outcome import Outcome
from headscope.analysis.types.receipts import Receipt, RemovalCurves, Verdict
from headscope.dashboard.pages.run.attributions import method_views
from headscope.dashboard.pages.run.receipts import amount, receipt_view
from tests.factories import make_attribution

CURVE = np.array([0.5, 1.0, 2.0], dtype=np.float32)
RECEIPT = Receipt(
    Verdict.BETTER, None, "mean embedding", 6, 25, np.array([0.2, 0.5, 0.8], np.float32), CURVE, CURVE[::-1], CURVE / 2,
    CURVE / 2, 1.1, 0.2, 0.9, 0.1, -0.3, 0.5, 1 / 26, 0.00002, 0.125, 3, float("nan"), 0.4, recency_gain=0.25,
    removal=tuple(RemovalCurves(name, CURVE, CURVE, CURVE, CURVE, CURVE * times, CURVE, 1.1, 0.2, 0.9, -0.3, 0.5, 0.25)
                  for name, times in (("delete", 1), ("mean embedding", 2))),
    shapley_top1=0.0, shapley_tau=0.5, second_baseline="a line break", baseline_tau=-0.25,
)  # fmt: skip


def rows(receipt: Receipt) -> dict[str, str]:
    return dict(receipt_view(receipt, "nats").rows)


def test_a_receipt_shows_its_numbers_with_units_and_the_test_behind_the_verdict() -> None:
    view, found = receipt_view(RECEIPT, "nats"), rows(RECEIPT)
    assert (view.tone, view.icon, view.words) == ("good", "check-circle-fill", "better than random and recency")
    assert found["gain (AOPC)"] == "+0.900 nats"
    assert found["random orders"] == "+0.100 nats, 95 % from −0.300 to +0.500"
    assert found["p-value"] == ".038 (sampled: n = 25 random orders, each also reversed)"
    assert found["last tokens first"] == "+0.250 nats"
    assert found["exact Shapley values"] == "highest token another one, Kendall’s τ +0.50"
    assert found["second baseline"] == "Kendall’s τ −0.25 with the scores under a line break"
    assert found["convergence error"] == "< 0.01 % of the change"
    assert found["sensitivity"] == "0.125 (largest of 3 draws of noise)"
    assert "random weights" not in found
    mean, _, embedding = view.curves
    assert [one.name for one in view.curves] == ["mean of all", "delete", "mean embedding"]
    np.testing.assert_array_equal(mean.deletion, CURVE)
    np.testing.assert_array_equal(mean.recency_deletion, CURVE * 1.5)
    np.testing.assert_array_equal(embedding.recency_deletion, CURVE * 2)


def test_words_and_every_order_are_said() -> None:
    found = rows(replace(RECEIPT, unit="word", exact=True, masking="delete", removal=RECEIPT.removal[:1]))
    assert found["p-value"] == ".038 (exact: all orders of the 6 words)"
    assert (found["removable"], found["removed words become"]) == ("6 words", "delete")
    assert "last words first" in found


def test_every_verdict_has_its_tone_and_a_chip_of_its_own() -> None:
    views = [receipt_view(replace(RECEIPT, verdict=verdict), "nats") for verdict in Verdict]
    assert [view.tone for view in views] == ["good", "partly", "partly", "warn", "bad", "none"]
    assert len({view.chip for view in views}) == len(Verdict)


@pytest.mark.parametrize("verdict", [one for one in Verdict if one is not Verdict.NOT_CONVERGED])
@pytest.mark.parametrize("converged", [None, True, False])
@pytest.mark.parametrize("delta", [0.0, 5.0, float("nan")])
def test_what_stands_beside_a_receipt_says_of_convergence_what_its_verdict_says(
    verdict: Verdict, converged: bool | None, delta: float
) -> None:
    """Also of a receipt that was stored when verdicts did not say it."""
    found = make_attribution("integrated_gradients", np.ones(4), delta=delta)
    receipt = replace(RECEIPT, verdict=verdict)
    (view,) = method_views((replace(found, receipt=receipt, outcome=Outcome(converged)),))
    assert view.receipt is not None
    unsure = view.verdict == "not_converged"
    assert unsure == (view.receipt.chip == "not converged") == (converged is False)
    assert view.warning.startswith("Not converged") == unsure
    assert bool(view.warning) == (unsure or (converged is None and delta == 5.0))


def test_a_receipt_of_before_says_that_recency_was_not_measured() -> None:
    nan = float("nan")
    old = replace(RECEIPT, verdict=Verdict.UNCOMPARED, recency_gain=nan, removal=(), shapley_top1=nan)
    old = replace(old, second_baseline="")
    view, found = receipt_view(old, "nats"), rows(old)
    assert view.words == "better than random (recency not measured)"
    assert found["last tokens first"] == "not measured"
    assert not found.keys() & {"exact Shapley values", "second baseline"}
    (curves,) = view.curves
    assert (curves.name, len(curves.recency_deletion)) == ("mean embedding", 0)


def test_of_a_continuation_it_is_said_that_one_receipt_is_for_all_tokens() -> None:
    rows = make_attribution("saliency", np.ones((2, 4)), delta=float("nan"))
    (view,) = method_views((replace(rows, axes=("target_position", "position"), receipt=RECEIPT),))
    assert view.receipt is not None
    assert view.receipt.words == "whole continuation: better than random and recency"
    assert "all generated tokens together" in dict(view.receipt.rows)["tested"]


def test_no_better_than_random_is_said_in_these_words() -> None:
    view = receipt_view(replace(RECEIPT, verdict=Verdict.NO_BETTER, p_value=0.6), "nats")
    assert (view.tone, view.words) == ("warn", "no better than random here")


def test_what_was_not_measured_is_said_with_its_reason_and_shows_no_numbers() -> None:
    nan = float("nan")
    empty = replace(RECEIPT, verdict=Verdict.UNMEASURED, reason="only one token", error=nan, sensitivity=nan)
    view, found = receipt_view(empty, "logits"), rows(empty)
    assert view.words == "not measured: only one token"
    assert "gain (AOPC)" not in found
    assert found["convergence error"] == "not promised by this method"
    assert found["sensitivity"] == "not measured"


def test_the_weight_randomisation_is_shown_when_it_was_asked_for() -> None:
    assert rows(replace(RECEIPT, randomisation=-0.05))["random weights"].startswith("Spearman −0.05")
    assert amount(float("nan"), "nats") == "not measured"
    assert rows(replace(RECEIPT, p_value=0.0001))["p-value"].startswith("< .001")
