"""A contrast of groups as one flat row with its warrant: what is stored, exported and printed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headscope.analysis.statistics.counterfactual import Contrast
from headscope.analysis.statistics.effects import Effect
from headscope.analysis.statistics.intervals import FEWEST

WAYS = {"groups": "wordings", "fillers": "fillers"}


@dataclass(frozen=True, slots=True)
class EffectRow:
    """Group `group_a` minus `group_b` on one model, set and attribute; what is not known is None.

    effect: mean difference within pairs in the measure's unit (nats; of toxicity probability), with its 95 % interval
    low, high. p: by flipping signs; adjusted_p: over the table. size: Cohen's d_z, positive: the share of pairs above
    0, a tie counted half, both with their intervals. clusters: what interval and p draw and flip whole, in words.
    method: how the row was worked out, in words.
    """

    measure: str
    model: str
    prompt_set: str
    attribute: str
    group_a: str
    group_b: str
    effect: float | None
    low: float | None
    high: float | None
    p: float | None
    adjusted_p: float | None
    size: float | None
    size_low: float | None
    size_high: float | None
    positive: float | None
    positive_low: float | None
    positive_high: float | None
    n_pairs: int
    above: int
    ties: int
    wordings: int
    fillers: int
    clusters: str
    method: str


def effect_row(measure: str, row: Contrast) -> EffectRow:
    """The row of a contrast of `measure`."""
    of = row.effect
    numbers = (
        of.mean, of.low, of.high, of.p, row.adjusted_p, of.size, of.size_low, of.size_high, of.positive,
        of.positive_low, of.positive_high,
    )  # fmt: skip
    return EffectRow(
        measure, row.model, row.prompt_set, row.attribute, row.a, row.b, *map(_known, numbers), of.n, of.above,
        of.ties, of.groups, of.fillers, " and ".join(WAYS[name] for name in of.clusters), method(of),
    )  # fmt: skip


def method(effect: Effect) -> str:
    """How an effect was worked out."""
    if not effect.clusters:
        return f"mean difference within pairs; no interval and no p from fewer than {FEWEST} independent clusters"
    whole = " and ".join(WAYS[name] for name in effect.clusters)
    every = "all" if effect.flips & (effect.flips - 1) == 0 else "random"
    return (
        f"mean difference within pairs; 95 % bootstrap interval of whole {whole}; two-sided p of {effect.flips:,} "
        f"{every} sign flips of them, adjusted over the table (Benjamini-Hochberg)"
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
