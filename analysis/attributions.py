"""How every method hands over its scores: one place decides what an unusable result looks like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.types import Attribution, Float32, Target


def position_attribution(
    method: str,
    target: Target,
    scores: Float32,
    measured: slice,
    *,
    signed: bool,
    value: float,
    seconds: float,
    params: Mapping[str, Any],
    convergence_delta: float = float("nan"),
) -> Attribution:
    """An Attribution over `("position",)`, scores float32 `[T]`; positions outside `measured` become NaN.

    NaN or infinity in a measured score or in the explained value makes it a failed one: the reason, and no scores.
    """
    if not (np.isfinite(scores[measured]).all() and np.isfinite(value)):
        error = (
            "the model's gradient is NaN or infinite for this prompt, so no token has a meaningful score: "
            "try float32, or another prompt"
        )
        return failed_attribution(method, target, error, signed=signed, seconds=seconds, params=params)
    kept = np.full(len(scores), np.nan, dtype=np.float32)
    kept[measured] = scores[measured]
    return Attribution(
        method=method,
        quantity=quantity_name(target),
        target=target.text,
        foil=target.foil_text,
        scores=kept,
        axes=("position",),
        signed=signed,
        value=value,
        convergence_delta=convergence_delta,
        seconds=seconds,
        params=params,
    )


def failed_attribution(
    method: str, target: Target, error: str, *, signed: bool, seconds: float, params: Mapping[str, Any]
) -> Attribution:
    """An Attribution without scores, and why."""
    return Attribution(
        method=method,
        quantity=quantity_name(target),
        target=target.text,
        foil=target.foil_text,
        scores=np.empty(0, dtype=np.float32),
        axes=("position",),
        signed=signed,
        value=float("nan"),
        convergence_delta=float("nan"),
        seconds=seconds,
        params=params,
        error=error,
    )


def quantity_name(target: Target) -> str:
    """`logprob`, or `logprob_difference` with a foil."""
    return "logprob_difference" if target.foil_id >= 0 else "logprob"
