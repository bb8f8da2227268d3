"""How every method hands over its scores: one place decides what an unusable result looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import Attribution, Float32, Target
from headscope.analysis.types.outcome import NOTHING, Outcome

WordRule = Literal["sum", "norm", "largest"]
_NORMS = frozenset({"saliency", "smoothgrad"})
_WEIGHTS = frozenset({"attention_raw", "attention_mean", "attention_rollout"})
_NOT_FINITE = (
    "the model's numbers are NaN or infinite for this prompt, so no token has a meaningful score: "
    "try float32, or another prompt"
)


def position_attribution(
    method: str,
    target: Target,
    scores: Float32,
    measured: slice | NDArray[np.bool_],
    *,
    signed: bool,
    value: float,
    seconds: float,
    params: Mapping[str, Any],
    convergence_delta: float = float("nan"),
    layer_scores: Float32 | None = None,
    axes: tuple[str, ...] = ("position",),
    score_errors: Float32 | None = None,
    outcome: Outcome = NOTHING,
) -> Attribution:
    """An Attribution over axes that end in `position`, scores float32 `[..., T]`; positions outside `measured` become
    NaN, in layer_scores `[layer, T]` and score_errors too.

    NaN or infinity in a measured score or in the explained value makes it a failed one: the reason, and no scores.
    """
    given = [scores] if layer_scores is None else [scores, layer_scores]
    if not all(np.isfinite(values[..., measured]).all() for values in given):
        return failed_attribution(method, target, _NOT_FINITE, signed=signed, seconds=seconds, params=params)
    kept = [_only(values, measured) for values in given]
    return attribution(
        method,
        target,
        kept[0],
        axes,
        signed=signed,
        value=value,
        seconds=seconds,
        params=params,
        convergence_delta=convergence_delta,
        layer_scores=None if layer_scores is None else kept[1],
        score_errors=None if score_errors is None else _only(score_errors, measured),
        outcome=outcome,
    )


def _only(values: Float32, measured: slice | NDArray[np.bool_]) -> Float32:
    kept = np.full(values.shape, np.nan, dtype=np.float32)
    kept[..., measured] = values[..., measured]
    return kept


def attribution(
    method: str,
    target: Target,
    scores: Float32,
    axes: tuple[str, ...],
    *,
    signed: bool,
    value: float,
    seconds: float,
    params: Mapping[str, Any],
    convergence_delta: float = float("nan"),
    layer_scores: Float32 | None = None,
    score_errors: Float32 | None = None,
    outcome: Outcome = NOTHING,
) -> Attribution:
    """An Attribution over any axes; NaN scores are positions that were not measured.

    An infinite score, no score at all, or an explained value that is no number makes it a failed one.
    """
    if np.isinf(scores).any() or np.isnan(scores).all() or not np.isfinite(value):
        return failed_attribution(method, target, _NOT_FINITE, signed=signed, seconds=seconds, params=params)
    return Attribution(
        method=method,
        quantity=quantity_name(target),
        target=target.text,
        foil=target.foil_text,
        scores=scores.astype(np.float32, copy=False),
        axes=axes,
        signed=signed,
        value=value,
        convergence_delta=convergence_delta,
        seconds=seconds,
        params=params,
        layer_scores=layer_scores,
        score_errors=None if score_errors is None else score_errors.astype(np.float32, copy=False),
        outcome=outcome,
    )


def position_scores(found: Attribution) -> Float32 | None:
    """One score per input token, float32 `[T]`: what receipts and comparisons between methods rank.

    `(position)` as it is; of `(layer, head, position)` the sum (signed) or mean over layers and heads. None for axes
    without a position of the input (heads, components), with several targets, or of `(layer, position)`, whose cells
    are no shares of anything; and for a failed attribution.
    """
    cells = "target_position" in found.axes or found.axes == ("layer", "position")
    if found.error is not None or found.axes[-1] != "position" or cells:
        return None
    flat = found.scores.reshape(-1, found.scores.shape[-1])
    reduced: Float32 = flat.sum(0) if found.signed else flat.mean(0)
    return reduced


def word_rule(found: Attribution) -> WordRule:
    """How scores of tokens become one of a word. Shares of something add up: signed ones, and weights of attention.
    Gradient norms do not, or long words would win by having many tokens: `norm` is that of the word's concatenated
    gradient (of `l1` norms it is their sum). Of what is neither, the `largest`."""
    if found.signed or found.method in _WEIGHTS:
        return "sum"
    if found.method in _NORMS:
        return "sum" if found.params.get("norm") == "l1" else "norm"
    return "largest"


def failed_attribution(
    method: str, target: Target, error: str, *, signed: bool, seconds: float, params: Mapping[str, Any]
) -> Attribution:
    """An Attribution without scores and outcome, and why."""
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


def nothing_to_explain(found: Sequence[Attribution], target: Target) -> tuple[Attribution, ...]:
    """A target against itself: the difference is zero whatever the prompt says."""
    reason = (
        f"target {target.text!r} and foil begin with the same token, so their difference is zero everywhere: choose "
        "words that differ in their first token"
    )
    return tuple(
        failed_attribution(one.method, target, reason, signed=one.signed, seconds=one.seconds, params=one.params)
        for one in found
    )


def quantity_name(target: Target) -> str:
    """`logprob` or `logit`, with `_difference` when there is a foil."""
    return f"{target.quantity}_difference" if target.foil_id >= 0 else target.quantity
