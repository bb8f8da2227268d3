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
    return EffectRow(
        measure=measure, model=row.model, prompt_set=row.prompt_set, attribute=row.attribute,
        group_a=row.a, group_b=row.b, effect=_known(of.mean), low=_known(of.low), high=_known(of.high),
        p=_known(of.p), adjusted_p=_known(row.adjusted_p),
        size=_known(of.size), size_low=_known(of.size_low), size_high=_known(of.size_high),
        positive=_known(of.positive), positive_low=_known(of.positive_low), positive_high=_known(of.positive_high),
        n_pairs=of.n, above=of.above, ties=of.ties, wordings=of.groups, fillers=of.fillers,
        clusters=" and ".join(WAYS[name] for name in of.clusters), method=method(of),
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
