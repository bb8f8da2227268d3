"""The evidence attached to an attribution: frozen facts, numpy only. `attribution.evidence` measures them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from headscope.analysis.types import Float32


class Verdict(StrEnum):
    """What the removal test says about an attribution on one prompt."""

    BETTER = "better than random"
    NO_BETTER = "no better than random here"
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far one attribution may be trusted on its prompt.

    Curves are float32 `[fraction]`, changes of the explained quantity (nats): `deletion[k]` is value(prompt) -
    value(without the `fractions[k]` highest-ranked tokens), `insertion[k]` is value(prompt) - value(with those alone).
    comprehensiveness, sufficiency: their means over the fractions (AOPC; DeYoung et al. 2020, Samek et al. 2016).
    gain: comprehensiveness - sufficiency (symmetric relevance gain, Bluecher et al. 2024): it does not reward a way of
    removing tokens for leaving the distribution. random_*: the same over `n_random` random orders: mean, and the 2.5th
    and 97.5th percentile of the gain. p_value: share of the orders (each also reversed, and this one among them) that
    gain as much: exact under the null. A verdict of `better` needs p <= .05.
    masking: what took a removed token's place. n_units: tokens that could be removed.
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
