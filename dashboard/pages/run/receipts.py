"""The evidence attached to an attribution, in words and numbers: may this ranking be believed on this prompt?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types.receipts import Receipt, Verdict
from headscope.dashboard.units import percent
from headscope.dashboard.words import plural, true_minus

Curve = NDArray[np.float32]
TONES = {Verdict.BETTER: "better", Verdict.NO_BETTER: "no_better", Verdict.UNMEASURED: "unmeasured"}


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """A receipt as it is shown. tone: `better`, `no_better` or `unmeasured`; words: the verdict as a sentence part.

    Curves `[fraction]` as in `Receipt`, empty when nothing was removed; gain, random_gain, random_low, random_high are
    drawn on one line; rows are (term, value) pairs in print order.
    """

    tone: str
    words: str
    fractions: Curve
    deletion: Curve
    insertion: Curve
    random_deletion: Curve
    random_insertion: Curve
    gain: float
    random_gain: float
    random_low: float
    random_high: float
    unit: str
    rows: tuple[tuple[str, str], ...]


def receipt_view(receipt: Receipt, unit: str) -> ReceiptView:
    """What the Run page shows of a receipt; `unit` is that of the explained quantity, `nats` or `logits`."""
    words = receipt.verdict.value
    if receipt.verdict is Verdict.UNMEASURED:
        words = f"not measured: {receipt.reason or 'the reason was not recorded'}"
    return ReceiptView(
        tone=TONES[receipt.verdict],
        words=words,
        fractions=receipt.fractions,
        deletion=receipt.deletion,
        insertion=receipt.insertion,
        random_deletion=receipt.random_deletion,
        random_insertion=receipt.random_insertion,
        gain=receipt.gain,
        random_gain=receipt.random_gain,
        random_low=receipt.random_low,
        random_high=receipt.random_high,
        unit=unit,
        rows=tuple(_rows(receipt, unit)),
    )


def _rows(receipt: Receipt, unit: str) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if receipt.verdict is not Verdict.UNMEASURED:
        rows += [
            ("gain (AOPC)", amount(receipt.gain, unit)),
            ("random orders", f"{amount(receipt.random_gain, unit)}, 95 % from {amount(receipt.random_low)} to "
                              f"{amount(receipt.random_high)}"),
            ("p-value", f"{_p(receipt.p_value)} (n = {receipt.n_random:,} random orders, each also reversed)"),
            ("comprehensiveness", amount(receipt.comprehensiveness, unit)),
            ("sufficiency", amount(receipt.sufficiency, unit)),
            ("removed tokens become", receipt.masking),
            ("removable", plural(receipt.n_units, "token")),
        ]  # fmt: skip
        if receipt.reason:
            rows.append(("note", receipt.reason))
    rows.append(("convergence error", _share(receipt.error, "not promised by this method")))
    draws = f" (largest of {receipt.noise_draws} draws of noise)" if receipt.noise_draws else ""
    rows.append(
        ("sensitivity", _number(receipt.sensitivity) + draws if _known(receipt.sensitivity) else "not measured")
    )
    if _known(receipt.randomisation):
        rows.append(("random weights", f"Spearman {_number(receipt.randomisation)} with the scores of this model"))
    return rows


def amount(value: float, unit: str = "") -> str:
    """A signed number with its unit, true minus sign; `not measured` for NaN."""
    if not _known(value):
        return "not measured"
    return true_minus(f"{value:+.3f} {unit}".strip())


def _p(value: float) -> str:
    if not _known(value):
        return "not measured"
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _share(value: float, otherwise: str) -> str:
    if not _known(value):
        return otherwise
    return "< 0.01 % of the change" if value < 1e-4 else f"{percent(value, 2)} of the change"


def _number(value: float) -> str:
    return true_minus(f"{value:.3g}")


def _known(value: float) -> bool:
    return math.isfinite(value)
