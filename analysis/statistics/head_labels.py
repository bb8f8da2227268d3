"""What heads are called for what they look at and what they do: rules over means of many runs, with their evidence.

A head has a label when the whole 95 % interval of every mean that the rule asks about lies beyond its threshold; where
an interval holds the threshold nothing is said. The names are the papers'; the thresholds are ours: shares of the
weight that a head can hardly reach without being of that kind. Attention says where a head looks, so these labels are
descriptions; a name mover's is about its weights and its output, copy suppression about its weights, the last two
about what its removal does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.intervals import ANYWHERE, of_moments
from headscope.analysis.types import HEAD_BOUNDS

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bound:
    """The mean of a statistic lies above `threshold`, or below it."""

    statistic: str
    threshold: float
    above: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """All bounds together make the label; `meaning` is a sentence with its source."""

    label: str
    bounds: tuple[Bound, ...]
    meaning: str


RULES = (
    Rule(
        "previous token",
        (Bound("previous_token", 0.5),),
        "More than half of its weight lies on the token just before (Elhage et al. 2021).",
    ),
    Rule(
        "induction",
        (Bound("induction", 0.2), Bound("induction_lift", 2.0)),
        "Looks at what followed earlier occurrences of the same token: over a fifth of its weight, and twice what "
        "uniform attention would put there (Olsson et al. 2022).",
    ),
    Rule(
        "duplicate token",
        (Bound("duplicate_token", 0.3),),
        "Looks at earlier occurrences of the same token with over 0.3 of its weight (Wang et al. 2022).",
    ),
    Rule(
        "sink",
        (Bound("first_token", 0.9),),
        "Over nine tenths of its weight lie on the first token, where a head rests that has nothing to do (Xiao et al. "
        "2023).",
    ),
    Rule(
        "current token",
        (Bound("self_attention", 0.5),),
        "More than half of its weight lies on the token itself.",
    ),
    Rule(
        "name mover",
        (Bound("ov_copying", 0.5), Bound("direct_logit_attribution", 0.05)),
        "Its weights write the answer's own token where it reads it, for more than half of the answers, and it does "
        "write to the answer: over 0.05 of the logit, or of the difference to the foil (Wang et al. 2022).",
    ),
    Rule(
        "copy suppression",
        (Bound("ov_copying", -0.5, above=False),),
        "Its weights push the answer's own token to the bottom of the vocabulary where it reads it, for more than half "
        "of the answers (McDougall et al. 2023). Such a head harms where it looks at the target, and helps where it "
        "looks at the foil: direct logit attribution says which.",
    ),
    Rule(
        "helps",
        (Bound("head_ablation", 0.05),),
        "Without it the explained quantity falls by more than 0.05 nats on average (head ablation, Michel et al. "
        "2019).",
    ),
    Rule(
        "works against",
        (Bound("head_ablation", -0.05, above=False),),
        "Without it the explained quantity rises by more than 0.05 nats on average, as of the negative name movers of "
        "Wang et al. 2022.",
    ),
)


@dataclass(frozen=True, slots=True)
class Average:
    """Of one statistic over runs: how many (int64), mean, standard deviation and skewness, `[layer, head]`."""

    n: NDArray[np.int64]
    mean: Floats
    sd: Floats
    skewness: Floats


@dataclass(frozen=True, slots=True)
class Evidence:
    """A mean that a label rests on, its interval, and over how many runs."""

    bound: Bound
    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class HeadLabel:
    """A label that a head has, and why."""

    rule: Rule
    evidence: tuple[Evidence, ...]


def head_labels(
    averages: Mapping[str, Average], rules: Sequence[Rule] = RULES
) -> dict[tuple[int, int], list[HeadLabel]]:
    """Labels by (layer, head), in the order of the rules. `averages` by statistic; rules about others say nothing, nor
    do means of too few runs for an interval."""
    found: dict[tuple[int, int], list[HeadLabel]] = {}
    intervals = {
        name: of_moments(item.n, item.mean, item.sd, item.skewness, within=HEAD_BOUNDS.get(name, ANYWHERE))
        for name, item in averages.items()
    }
    for rule in rules:
        if any(bound.statistic not in averages for bound in rule.bounds):
            continue
        holds = np.logical_and.reduce([_holds(bound, *intervals[bound.statistic]) for bound in rule.bounds])
        for layer, head in np.argwhere(holds).tolist():
            evidence = tuple(
                _evidence(bound, averages[bound.statistic], intervals[bound.statistic], (layer, head))
                for bound in rule.bounds
            )
            found.setdefault((layer, head), []).append(HeadLabel(rule, evidence))
    return found


def _holds(bound: Bound, low: Floats, high: Floats) -> NDArray[np.bool_]:
    return low > bound.threshold if bound.above else high < bound.threshold


def _evidence(bound: Bound, item: Average, interval: tuple[Floats, Floats], cell: tuple[int, int]) -> Evidence:
    low, high = interval
    return Evidence(bound, float(item.mean[cell]), float(low[cell]), float(high[cell]), int(item.n[cell]))
