"""Attributions side by side: aligned scores, and for every method a receipt of what was explained, how and how well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.registry import METHODS
from analysis.types import Attribution, Float32
from dashboard.figures.tokens import largest, score_unit, short

TOLERANCE = 0.05
"""A convergence delta beyond this share of the explained change is called not converged when the method is silent."""


@dataclass(frozen=True, slots=True)
class MethodView:
    """One row of the comparison. scores `[position]`, empty with `error`.

    limit: full scale of this row alone; shared_limit: of all rows that measure the same thing in the same unit.
    total: sum of the measured scores. receipt: (term, value) pairs in print order. verdict: `converged`,
    `not_converged`, or `none` when the method promises no sum; warning says in plain words what follows from it.
    """

    method: str
    label: str
    summary: str
    signed: bool
    unit: str
    scores: Float32
    limit: float
    shared_limit: float
    total: float
    receipt: tuple[tuple[str, str], ...]
    verdict: str
    warning: str
    error: str | None


def method_views(attributions: Sequence[Attribution]) -> tuple[MethodView, ...]:
    """One view per attribution, in the given order."""
    shared: dict[tuple[bool, str], float] = {}
    for item in attributions:
        key = (item.signed, item.quantity)
        shared[key] = max(shared.get(key, 0.0), largest(item.scores))
    return tuple(_view(item, shared[item.signed, item.quantity]) for item in attributions)


def _view(item: Attribution, shared_limit: float) -> MethodView:
    entry = METHODS.get(item.method)
    verdict = convergence(item)
    measured = item.scores[np.isfinite(item.scores)].astype(np.float64)
    return MethodView(
        method=item.method,
        label=entry.label if entry else item.method,
        summary=entry.summary if entry else "",
        signed=item.signed,
        unit=score_unit(item),
        scores=item.scores,
        limit=largest(item.scores),
        shared_limit=shared_limit,
        total=float(measured.sum()) if measured.size else float("nan"),
        receipt=tuple(_receipt(item)),
        verdict=verdict,
        warning=_warning(item) if verdict == "not_converged" else "",
        error=item.error,
    )


def convergence(item: Attribution) -> str:
    """`none` without a promise (NaN delta), else the method's own judgement, else the delta against the change."""
    if item.error is not None or not math.isfinite(item.convergence_delta):
        return "none"
    said = item.params.get("converged")
    if isinstance(said, bool | np.bool_):
        return "converged" if said else "not_converged"
    change = _explained_change(item)
    return "converged" if abs(item.convergence_delta) <= TOLERANCE * max(abs(change), 1.0) else "not_converged"


def _explained_change(item: Attribution) -> float:
    """value - value at the baseline: what the scores should add up to (sum = change + delta)."""
    return float(np.nansum(item.scores.astype(np.float64))) - item.convergence_delta


def _warning(item: Attribution) -> str:
    change, disagreement = _explained_change(item), item.params.get("disagreement")
    share = abs(item.convergence_delta) / max(abs(change), 1e-9)
    text = (
        f"Not converged: the scores add up to {change + item.convergence_delta:.4g} nats, but the quantity changed by "
        f"{change:.4g} nats ({share:.0%} off)."
    )
    if isinstance(disagreement, float) and math.isfinite(disagreement):
        text += f" Half the steps give scores that differ by up to {disagreement:.3g} nats."
    return f"{text} Do not rank tokens by it; run it again with more steps (max_steps)."


def _receipt(item: Attribution) -> list[tuple[str, str]]:
    target = f"“{short(item.target, 24)}”"
    explained = f"log-probability of {target}"
    if item.quantity == "logprob_difference":
        explained = f"log-probability of {target} minus “{short(item.foil or '', 24)}”"
    rows = [("explains", explained), ("value", _nats(item.value))]
    if math.isfinite(item.convergence_delta):
        rows.append(("scores add up to within", _nats(item.convergence_delta)))
    rows += [(name.replace("_", " "), _shown(value)) for name, value in item.params.items()]
    rows.append(("computed in", f"{item.seconds:.2f} s"))
    return rows


def _nats(value: float) -> str:
    return f"{value:+.4f} nats".replace("-", "−") if math.isfinite(value) else "not measured"


def _shown(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−")
    return str(value)
