"""How every method hands over its scores: one place decides what an unusable result looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import Attribution, Float32, Target
from headscope.analysis.types.outcome import Outcome

Mask = NDArray[np.bool_]
WordRule = Literal["sum", "norm", "largest"]
_NORMS = frozenset({"saliency", "smoothgrad"})
_WEIGHTS = frozenset({"attention_raw", "attention_mean", "attention_rollout"})
_ADVICE = "try float32, or another prompt"
HEADS = ("layer", "head")


class Facts(TypedDict):
    """What a method says beside its scores, as the fields of `Attribution` of the same names."""

    signed: bool
    value: float
    seconds: float
    params: Mapping[str, Any]
    convergence_delta: NotRequired[float]
    outcome: NotRequired[Outcome]


def position_attribution(
    method: str,
    target: Target,
    scores: Float32,
    measured: slice | Mask,
    *,
    layer_scores: Float32 | None = None,
    head_scores: Float32 | None = None,
    axes: tuple[str, ...] = ("position",),
    score_errors: Float32 | None = None,
    **facts: Unpack[Facts],
) -> Attribution:
    """An Attribution over axes that end in `position`, scores float32 `[..., T]`; positions outside `measured` become
    NaN, in layer_scores `[layer, T]` and score_errors too.

    NaN or infinity in a measured score or in the explained value makes it a failed one: the reason, and no scores.
    """
    there = np.zeros(scores.shape[-1], dtype=np.bool_)
    there[measured] = True
    return attribution(
        method,
        target,
        _only(scores, measured),
        axes,
        measured=there,
        layer_scores=None if layer_scores is None else _only(layer_scores, measured),
        head_scores=head_scores,
        score_errors=None if score_errors is None else _only(score_errors, measured),
        **facts,
    )


def _only(values: Float32, measured: slice | Mask) -> Float32:
    kept = np.full(values.shape, np.nan, dtype=np.float32)
    kept[..., measured] = values[..., measured]
    return kept


def attribution(
    method: str,
    target: Target,
    scores: Float32,
    axes: tuple[str, ...],
    *,
    measured: Mask | None = None,
    layer_scores: Float32 | None = None,
    head_scores: Float32 | None = None,
    score_errors: Float32 | None = None,
    **facts: Unpack[Facts],
) -> Attribution:
    """An Attribution over any axes. measured: bool, shaped like the last axes of scores (and of layer_scores), where
    there has to be a score; None: everywhere. Elsewhere NaN says that nothing was measured.

    NaN or infinity where there has to be a score, or as the explained value, makes it a failed one that says where.
    """
    mask = np.ones(1, dtype=np.bool_) if measured is None else measured
    reason = _not_finite(
        facts["value"],
        ((scores, axes, mask), (layer_scores, ("row", "position"), mask), (head_scores, HEADS, np.ones(1, bool))),
    )
    if reason:
        signed, seconds, params = facts["signed"], facts["seconds"], facts["params"]
        return failed_attribution(method, target, reason, signed=signed, seconds=seconds, params=params)
    facts.setdefault("convergence_delta", float("nan"))
    return Attribution(
        method=method,
        quantity=quantity_name(target),
        target=target.text,
        foil=target.foil_text,
        scores=scores.astype(np.float32, copy=False),
        axes=axes,
        layer_scores=layer_scores,
        head_scores=head_scores,
        score_errors=None if score_errors is None else score_errors.astype(np.float32, copy=False),
        **facts,
    )


def _not_finite(value: float, parts: Sequence[tuple[Float32 | None, tuple[str, ...], Mask]]) -> str:
    """Why an attribution with these scores fails, "" when every number that has to be one is."""
    if not np.isfinite(value):
        return f"the explained quantity itself is NaN or infinite for this prompt: {_ADVICE}"
    for values, axes, measured in parts:
        if values is None:
            continue
        bad = np.argwhere(~np.isfinite(values) & measured)
        if len(bad) == 0:
            continue
        place = ", ".join(f"{axis.replace('_', ' ')} {index}" for axis, index in zip(axes, bad[0], strict=True))
        more = f" and {len(bad) - 1} more places" if len(bad) > 1 else ""
        return f"the model's numbers are NaN or infinite at {place}{more}, so the scores mean nothing: {_ADVICE}"
    return ""


def position_scores(found: Attribution) -> Float32 | None:
    """One score per input token, float32 `[T]`: what receipts and comparisons between methods rank.

    `(position)` as it is; of `(layer, head, position)` the sum (signed) or mean over layers and heads. None for axes
    without a position of the input (heads, components), with several targets, or of `(layer, position)`, whose cells
    are no shares of anything; and for a failed attribution.
    """
    return None if found.error is not None else over_positions(found.scores, found.axes, signed=found.signed)


def over_positions(scores: Float32, axes: Sequence[str], *, signed: bool) -> Float32 | None:
    """`position_scores` of scores that did not fail, by their axes."""
    if axes[-1] != "position" or "target_position" in axes or tuple(axes) == ("layer", "position"):
        return None
    flat = scores.reshape(-1, scores.shape[-1])
    reduced: Float32 = flat.sum(0) if signed else flat.mean(0)
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


def nothing_to_explain(target: Target) -> str:
    """Why a target against itself is not explained, "" for another: the difference is zero whatever the prompt says."""
    if target.foil_id < 0 or target.foil_id != target.token_id:
        return ""
    return (
        f"target {target.text!r} and foil begin with the same token, so their difference is zero everywhere: choose "
        "words that differ in their first token"
    )


def quantity_name(target: Target) -> str:
    """`logprob` or `logit`, with `_difference` when there is a foil."""
    return f"{target.quantity}_difference" if target.foil_id >= 0 else target.quantity
