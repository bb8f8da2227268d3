"""What one pass shows of a prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from headscope.analysis.types.values import Float32, Int32

HEAD_STATS = (
    "entropy",
    "entropy_normalised",
    "mean_distance",
    "previous_token",
    "first_token",
    "self_attention",
    "duplicate_token",
    "induction",
    "max_weight",
    "induction_lift",
    "missing_mass",
)
HEAD_BOUNDS: Mapping[str, tuple[float, float]] = {
    name: (0.0, math.inf if name in {"entropy", "mean_distance", "induction_lift"} else 1.0) for name in HEAD_STATS
}
"""What values of a statistic lie between: weights and their sums are shares."""


@dataclass(frozen=True, slots=True)
class HeadSummary:
    """Statistics of every attention head, float32 `[layer, head]`, each a mean over the queries it is defined for.

    entropy: nats. entropy_normalised: entropy / log(number of keys the query can see in the layer), queries with one
    key left out. mean_distance: tokens between query and key, weighted by attention. previous_token (from query 2 on:
    before query 1 is the sink), first_token (the sink), self: mean weight on key t-1, 0, t. duplicate_token: mean
    weight on earlier occurrences of the query's own token, the sink left out. induction: mean weight on the tokens that
    followed earlier occurrences; both NaN when no token repeats.
    max_weight: mean over queries of the largest weight. induction_lift: induction over what uniform attention would put
    on the same keys (1: chance). missing_mass: what the weights of a row lack to 1, given to no token (a learned sink).
    Entropies and mean_distance are of the weights divided by their sum; all others are shares of 1, the missing mass
    among them. The first query (one visible key) is left out of all but max_weight. Never called an explanation.
    """

    entropy: Float32
    entropy_normalised: Float32
    mean_distance: Float32
    previous_token: Float32
    first_token: Float32
    self_attention: Float32
    duplicate_token: Float32
    induction: Float32
    max_weight: Float32
    induction_lift: Float32
    missing_mass: Float32


LAYER_STATS = (
    "residual_norm",
    "attn_update_norm",
    "mlp_update_norm",
    "lens_prob",
    "lens_rank",
    "kl_to_final",
    "lens_target_logprob",
    "lens_target_rank",
    "lens_foil_logprob",
    "lens_foil_rank",
)


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """How the prediction forms, layer by layer (logit lens: nostalgebraist 2020).

    float32 `[layer]`, all measured at the last position, where the next token is predicted: residual_norm (L2 norm of
    the residual stream after the layer), attn_update_norm, mlp_update_norm (L2 norms of what the two sublayers add),
    lens_prob and lens_rank (of the model's final top-1 token under the logit lens), kl_to_final: KL(final || lens) in
    nats, lens_target_* and lens_foil_*: log-probability (nats) and rank of the explained target and foil under the lens
    (NaN without a foil). residual_norms: float32 `[layer, position]`, L2 norm of the residual stream after the layer.
    """

    residual_norm: Float32
    attn_update_norm: Float32
    mlp_update_norm: Float32
    lens_prob: Float32
    lens_rank: Float32
    kl_to_final: Float32
    lens_target_logprob: Float32
    lens_target_rank: Float32
    lens_foil_logprob: Float32
    lens_foil_rank: Float32
    residual_norms: Float32


@dataclass(frozen=True, slots=True)
class LensTable:
    """Logit lens at every position: row l is what the final norm and unembedding read from the residual after layer l.

    top_ids: int32 `[layer, position]`, top_probs: float32 `[layer, position]`, top_texts `[layer][position]`: the top
    candidate for the token that FOLLOWS the position. entropies: float32 `[layer, position]`, nats.
    A separate analysis (`logit_lens`): it costs a unembedding per layer and position, several times the forward pass.
    """

    top_ids: Int32
    top_probs: Float32
    top_texts: tuple[tuple[str, ...], ...]
    entropies: Float32


@dataclass(frozen=True, slots=True)
class MeasuredArray:
    """What a measurement of another package gives for a prompt: float32 `values` over named axes (say `layer` and
    `position`), NaN where unmeasured. `name` is the measurement's in the registry, `unit` is shown beside numbers."""

    name: str
    axes: tuple[str, ...]
    values: Float32
    unit: str = ""
