"""The evidence as it is shown: verdicts in words, numbers with units, what was not measured said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headscope.analysis.types.receipts import Receipt, Verdict
from headscope.dashboard.pages.run.receipts import amount, receipt_view

CURVE = np.array([0.5, 1.0, 2.0], dtype=np.float32)
RECEIPT = Receipt(
    Verdict.BETTER, None, "mean embedding", 6, 25, np.array([0.2, 0.5, 0.8], np.float32), CURVE, CURVE[::-1], CURVE / 2,
    CURVE / 2, 1.1, 0.2, 0.9, 0.1, -0.3, 0.5, 1 / 26, 0.00002, 0.125, 3, float("nan"), 0.4,
)  # fmt: skip


def rows(receipt: Receipt) -> dict[str, str]:
    return dict(receipt_view(receipt, "nats").rows)


def test_a_receipt_shows_its_numbers_with_units_and_the_test_behind_the_verdict() -> None:
    view, found = receipt_view(RECEIPT, "nats"), rows(RECEIPT)
    assert (view.tone, view.words) == ("better", "better than random")
    assert found["gain (AOPC)"] == "+0.900 nats"
    assert found["random orders"] == "+0.100 nats, 95 % from −0.300 to +0.500"
    assert found["p-value"] == ".038 (n = 25 random orders, each also reversed)"
    assert found["convergence error"] == "< 0.01 % of the change"
    assert found["sensitivity"] == "0.125 (largest of 3 draws of noise)"
    assert "random weights" not in found
    np.testing.assert_array_equal(view.deletion, CURVE)


def test_no_better_than_random_is_said_in_these_words() -> None:
    view = receipt_view(replace(RECEIPT, verdict=Verdict.NO_BETTER, p_value=0.6), "nats")
    assert (view.tone, view.words) == ("no_better", "no better than random here")


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
