"""What is explained, and the scores of a method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headscope.analysis.types.outcome import NOTHING, PARTNER, Outcome
from headscope.analysis.types.values import Float32, Params

if TYPE_CHECKING:
    from headscope.analysis.types.receipts import Receipt


@dataclass(frozen=True, slots=True)
class Target:
    """The token explained, resolved by the tokenizer. Without `target` in the prompt it is the model's own top-1 token.

    `quantity` is what is explained: its log-probability (`logprob`), or its `logit`; with a foil, the difference.
    `n_tokens` is how many tokens the written target needs, `ids` all of them (`foil_ids` those of the foil): only the
    first is explained, unless the request explains the whole target, and a page says so when > 1.
    `chosen` is `given` or `predicted`. Log-probabilities (nats) and rank (1 = top) at the last position.
    """

    token_id: int
    text: str
    n_tokens: int
    chosen: str
    logprob: float
    rank: int
    foil_id: int = -1
    foil_text: str | None = None
    foil_n_tokens: int = 0
    foil_logprob: float = float("nan")
    foil_rank: int = -1
    quantity: str = "logprob"
    ids: tuple[int, ...] = ()
    foil_ids: tuple[int, ...] = ()


NO_TARGET = Target(-1, "", 0, "predicted", float("nan"), -1)
"""What stands for the model's own next token where it predicts none."""


def against(target: Target, foil: Target) -> Target:
    """A target with a foil that was resolved alone."""
    return replace(
        target,
        foil_id=foil.token_id,
        foil_text=foil.text,
        foil_n_tokens=foil.n_tokens,
        foil_logprob=foil.logprob,
        foil_rank=foil.rank,
        foil_ids=foil.ids,
    )


@dataclass(frozen=True, slots=True)
class Attribution:
    """One method's answer to "which input mattered for this quantity".

    quantity: `logprob` or `logit` of target, with a foil `logprob_difference` (equal to the logit difference) or
    `logit_difference`; of a whole target of several tokens `joint_logprob`, and `joint_logprob_difference`. value: the
    explained quantity (nats). scores: float32, dimensions named by `axes`:
    `("position",)`, `("layer", "head")`, `("layer", "component")`, `("condition", "layer", "head")` (0: beside other
    heads' ablation, 1: alone), `("layer", "head", "query", "key")`, or, for a continuation, `("target_position",
    "position")`. signed: negative scores mean evidence against.
    convergence_delta: sum of scores minus (value - value at baseline), NaN when the method makes no such promise.
    layer_scores: float32 `[layer, position]` of a method that knows where in the layers the evidence enters; row l is
    at what layer l reads (row 0: the embeddings), the last row at what the final norm reads.
    head_scores: float32 `[layer, head]` of a method over tokens that knows what passes through each head, summed over
    positions; not of a continuation.
    peak_bytes: most memory the process held while the method ran, over what it held before; -1 when not measured.
    error: why there are no scores, then `scores` is empty. receipt: the evidence for it, when asked for.
    score_errors: float32, shaped like `scores`: how far each may be off, estimated by a method that approximates; None
    for one that says nothing. params: every parameter that counted, as it was set; outcome: what came out.
    """

    method: str
    quantity: str
    target: str
    foil: str | None
    scores: Float32
    axes: tuple[str, ...]
    signed: bool
    value: float
    convergence_delta: float
    seconds: float
    params: Params
    error: str | None = None
    layer_scores: Float32 | None = None
    peak_bytes: int = -1
    receipt: Receipt | None = None
    score_errors: Float32 | None = None
    outcome: Outcome = NOTHING
    head_scores: Float32 | None = None


def partner_of(found: Sequence[Attribution]) -> str | None:
    """The counterfactual that a stored run was compared with; the store keeps it with what was made of it."""
    return next((str(one.outcome.facts[PARTNER]) for one in found if PARTNER in one.outcome.facts), None)
