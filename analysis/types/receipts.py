"""The evidence attached to an attribution: frozen facts, numpy only. `attribution.evidence` measures them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from headscope.analysis.types import Float32


class Verdict(StrEnum):
    """What the removal test says about an attribution on one prompt."""

    BETTER = "better than random and recency"
    BETTER_THAN_RANDOM = "better than random only"
    UNCOMPARED = "better than random"  # of runs stored before recency was measured
    NO_BETTER = "no better than random here"
    NOT_CONVERGED = "not converged"
    UNMEASURED = "not measured"


def standing(verdict: Verdict, converged: bool | None) -> Verdict:
    """The verdict that counts: what did not converge by its method's own word (`Outcome.converged`) is that first,
    whatever its order was found to be. None: the method gives no word."""
    return Verdict.NOT_CONVERGED if converged is False else verdict


@dataclass(frozen=True, slots=True)
class RemovalCurves:
    """The removal test under one masking: what took a removed unit's place (`delete`: nothing).

    Curves are float32 `[fraction]`, changes of the explained quantity (nats), as in `Receipt`; `random_*` are their
    means over random orders (exact where every subset was evaluated), `recency_*` those of "last unit first".
    gain, random_low, random_high, recency_gain: as in `Receipt`, under this masking alone.
    """

    masking: str
    deletion: Float32
    insertion: Float32
    random_deletion: Float32
    random_insertion: Float32
    recency_deletion: Float32
    recency_insertion: Float32
    comprehensiveness: float
    sufficiency: float
    gain: float
    random_low: float
    random_high: float
    recency_gain: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far one attribution may be trusted on its prompt.

    Curves are float32 `[fraction]`, changes of the explained quantity (nats): `deletion[k]` is value(prompt) -
    value(without the `fractions[k]` highest-ranked tokens), `insertion[k]` is value(prompt) - value(with those alone).
    comprehensiveness, sufficiency: their means over the fractions (AOPC; DeYoung et al. 2020, Samek et al. 2016).
    gain: comprehensiveness - sufficiency (symmetric relevance gain, Bluecher et al. 2024): it does not reward a way of
    removing tokens for leaving the distribution. random_*: the same over `n_random` random orders: mean, and the 2.5th
    and 97.5th percentile of the gain. p_value: share of the orders (each also reversed, and this one among them) that
    gain as much: exact under the null. recency_gain: the gain of the order "last unit first". `better than random`
    needs p <= .05, `and recency` a larger gain than that too; where scores did not converge, `not converged` comes
    first.
    removal: the same under each masking alone, `masking` their names; everything above is the mean over them.
    unit: what was removed, `token` or `word`; n_units: how many could be. exact: every subset of them was evaluated, so
    that random orders are all orders; else `n_random` sampled ones, common to all methods of a request.
    shapley_top1: 1 where the highest-ranked unit is that of the exact Shapley values, else 0; shapley_tau: Kendall's
    tau-b with them; both NaN unless `exact`. baseline_tau: Kendall's tau-b of the scores with those under
    `second_baseline` (a baseline or masking in words); NaN and empty for a method without one.
    error: |convergence or conservation delta| as a share of the explained change; NaN when the method promises none.
    sensitivity: largest relative change ||a(x + noise) - a(x)|| / ||a(x)|| over `noise_draws` draws of embedding noise
    (Yeh et al. 2019). randomisation: Spearman correlation of |scores| with those of the same architecture with random
    weights (Adebayo et al. 2018), NaN unless asked for.
    """

    verdict: Verdict
    reason: str | None
    masking: str
    n_units: int
    n_random: int
    fractions: Float32
    deletion: Float32
    insertion: Float32
    random_deletion: Float32
    random_insertion: Float32
    comprehensiveness: float
    sufficiency: float
    gain: float
    random_gain: float
    random_low: float
    random_high: float
    p_value: float
    error: float
    sensitivity: float
    noise_draws: int
    randomisation: float
    seconds: float
    unit: str = "token"
    exact: bool = False
    recency_gain: float = float("nan")
    removal: tuple[RemovalCurves, ...] = ()
    shapley_top1: float = float("nan")
    shapley_tau: float = float("nan")
    second_baseline: str = ""
    baseline_tau: float = float("nan")
