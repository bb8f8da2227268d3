"""The evidence attached to an attribution, in words and numbers: may this ranking be believed on this prompt?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types.receipts import Receipt, Verdict, standing
from headscope.dashboard.units import percent
from headscope.dashboard.verdicts import SHOWN
from headscope.dashboard.words import plural, true_minus

Curve = NDArray[np.float32]
IN_BOTH = ("deletion", "insertion", "random_deletion", "random_insertion", "gain", "random_low", "random_high",
           "recency_gain")  # fmt: skip
OF_RECENCY = ("recency_deletion", "recency_insertion")
OF_ALL = "all generated tokens together; scores of the prompt’s tokens added up over them"
NO_REASON = "the reason was not recorded"


@dataclass(frozen=True, slots=True)
class CurvesView:
    """The removal test under one masking, or its mean over all. Curves `[fraction]` as in `RemovalCurves`, those of
    recency empty where it was not measured; the numbers are drawn on one line."""

    name: str
    deletion: Curve
    insertion: Curve
    random_deletion: Curve
    random_insertion: Curve
    recency_deletion: Curve
    recency_insertion: Curve
    gain: float
    random_low: float
    random_high: float
    recency_gain: float


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """A receipt as it is shown. tone, icon, words, chip: its verdict's, see `verdicts.Shown`. curves: none when nothing
    was removed, else the mean first. removed: what was, `token` or `word`. rows are (term, value) pairs in print
    order."""

    tone: str
    icon: str
    words: str
    chip: str
    fractions: Curve
    curves: tuple[CurvesView, ...]
    unit: str
    removed: str
    rows: tuple[tuple[str, str], ...]


def receipt_view(
    receipt: Receipt, unit: str, converged: bool | None = None, *, continuation: bool = False
) -> ReceiptView:
    """What the Run page shows of a receipt; `unit` is that of the explained quantity, `nats` or `logits`; converged: as
    in `Outcome`; continuation: it is of all generated tokens together."""
    verdict = standing(receipt.verdict, converged)
    shown = SHOWN[verdict]
    words = f"{shown.words}: {receipt.reason or NO_REASON}" if verdict is Verdict.UNMEASURED else shown.words
    tested = [("tested", OF_ALL)] if continuation else []
    return ReceiptView(
        tone=shown.tone,
        icon=shown.icon,
        words=f"whole continuation: {words}" if continuation else words,
        chip=shown.chip,
        fractions=receipt.fractions,
        curves=_curves(receipt),
        unit=unit,
        removed=receipt.unit,
        rows=(*tested, *_rows(receipt, unit)),
    )


def _curves(receipt: Receipt) -> tuple[CurvesView, ...]:
    """The mean over the maskings, and each alone when there are several."""
    if not _known(receipt.gain) or not len(receipt.fractions):
        return ()
    each = tuple(
        CurvesView(one.masking, **{name: getattr(one, name) for name in (*IN_BOTH, *OF_RECENCY)})
        for one in receipt.removal
    )
    means: dict[str, Any] = {name: _mean([getattr(one, name) for one in each]) for name in OF_RECENCY}
    means |= {name: getattr(receipt, name) for name in IN_BOTH}
    mean = CurvesView("mean of all" if len(each) > 1 else receipt.masking, **means)
    return (mean, *each) if len(each) > 1 else (mean,)


def _mean(curves: Sequence[Curve]) -> Curve:
    return np.mean(curves, axis=0, dtype=np.float32) if curves else np.empty(0, np.float32)


def _rows(receipt: Receipt, unit: str) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if _known(receipt.gain) and receipt.verdict is not Verdict.UNMEASURED:
        rows += [
            ("gain (AOPC)", amount(receipt.gain, unit)),
            ("random orders", f"{amount(receipt.random_gain, unit)}, 95 % from {amount(receipt.random_low)} to "
                              f"{amount(receipt.random_high)}"),
            ("p-value", f"{_p(receipt.p_value)} ({orders(receipt)})"),
            (f"last {receipt.unit}s first", amount(receipt.recency_gain, unit)),
            ("comprehensiveness", amount(receipt.comprehensiveness, unit)),
            ("sufficiency", amount(receipt.sufficiency, unit)),
            (f"removed {receipt.unit}s become", receipt.masking),
            ("removable", plural(receipt.n_units, receipt.unit)),
            *_shapley(receipt),
        ]  # fmt: skip
    if receipt.reason and receipt.verdict is not Verdict.UNMEASURED:
        rows.append(("note", receipt.reason))
    rows.append(("convergence error", _share(receipt.error, "not promised by this method")))
    draws = f" (largest of {receipt.noise_draws} draws of noise)" if receipt.noise_draws else ""
    rows.append(
        ("sensitivity", _number(receipt.sensitivity) + draws if _known(receipt.sensitivity) else "not measured")
    )
    if receipt.second_baseline:
        rows.append(
            ("second baseline", f"{_tau(receipt.baseline_tau)} with the scores under {receipt.second_baseline}")
        )
    if _known(receipt.randomisation):
        rows.append(("random weights", f"Spearman {_number(receipt.randomisation)} with the scores of this model"))
    return rows


def orders(receipt: Receipt) -> str:
    """What chance is: every order, or a sample of them."""
    if receipt.exact:
        return f"exact: all orders of the {plural(receipt.n_units, receipt.unit)}"
    return f"sampled: n = {receipt.n_random:,} random orders, each also reversed"


def _shapley(receipt: Receipt) -> list[tuple[str, str]]:
    if not _known(receipt.shapley_top1):
        return []
    same = "the same" if receipt.shapley_top1 else "another one"
    return [("exact Shapley values", f"highest {receipt.unit} {same}, {_tau(receipt.shapley_tau)}")]


def _tau(value: float) -> str:
    return f"Kendall’s τ {true_minus(f'{value:+.2f}')}" if _known(value) else "rank agreement not measured"


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
