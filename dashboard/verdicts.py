"""Verdicts of receipts as people see them, on every page alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headscope.analysis.types.receipts import Verdict


@dataclass(frozen=True, slots=True)
class Shown:
    """tone: `good`, `partly`, `warn`, `bad` or `none`, a colour (`hs-verdict-TONE`); icon: beside it, colour is never
    alone. words: the verdict in full; chip: in few words."""

    tone: str
    icon: str
    words: str
    chip: str


UNCOMPARED = f"{Verdict.UNCOMPARED.value} (recency not measured)"
SHOWN: Mapping[Verdict, Shown] = {
    verdict: Shown(tone, icon, UNCOMPARED if verdict is Verdict.UNCOMPARED else verdict.value, chip)
    for verdict, tone, icon, chip in (
        (Verdict.BETTER, "good", "check-circle-fill", "beats random + recency"),
        (Verdict.BETTER_THAN_RANDOM, "partly", "check-circle", "beats random only"),
        (Verdict.UNCOMPARED, "partly", "check-circle", "beats random"),
        (Verdict.NO_BETTER, "warn", "dash-circle-fill", "no better than random"),
        (Verdict.NOT_CONVERGED, "bad", "exclamation-triangle-fill", "not converged"),
        (Verdict.UNMEASURED, "none", "question-circle", "not measured"),
    )
}
TOLERANCE = 0.05


def adds_up(delta: float, largest: float) -> bool:
    """Whether scores of a method that gives no word on its convergence add up: what they miss of the change that they
    are to add up to is at most a twentieth of the largest of them."""
    return abs(delta) <= TOLERANCE * largest
