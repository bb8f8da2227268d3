"""What a detector is shown of a run, and what it says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headscope.analysis.types.findings import PASSED, SEVERITIES, ProbeResult

MARGINS = (1e-9, 0.5, 2.0)
"""Severity levels of a lost margin, nats."""


@dataclass(frozen=True, slots=True)
class Case:
    """A run as the store has it; unmeasured numbers are NaN. margin: log P(target) - log P(foil), nats.

    probes: probe -> its score and evidence. toxicity: (part, label) -> score.
    """

    run_id: str
    text: str
    target: str | None = None
    foil: str | None = None
    pair_id: str | None = None
    group: str | None = None
    next_token: str | None = None
    next_token_prob: float = math.nan
    target_rank: float = math.nan
    margin: float = math.nan
    continuation: str | None = None
    error_kind: str | None = None
    error: str | None = None
    probes: Mapping[str, tuple[float, Mapping[str, Any]]] = field(default_factory=dict)
    toxicity: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Detection:
    """What a detector says of a run."""

    run_id: str
    result: ProbeResult


def detection(
    detector: str, case: Case, score: float, levels: tuple[float, float, float], **evidence: Any
) -> Detection:
    """Passed below the first of `levels`, then low, medium and high severity."""
    reached = sum(score >= level for level in levels)
    label = PASSED if reached == 0 else SEVERITIES[reached - 1]
    return Detection(case.run_id, ProbeResult(detector, score, label, evidence))


def lost_margins(
    detector: str, cases: Sequence[Case], right: str, changed: str, evidence: tuple[str, str, str]
) -> Iterator[Detection]:
    """Pairs whose prompt of group `right` prefers its target. The other's score: by how many nats it prefers its foil,
    0 when it does not. evidence: the keys that the right one's text, run and margin are kept under."""
    for kept, other in pairs(cases, right, changed):
        if kept.margin > 0:
            known = dict(zip(evidence, (kept.text, kept.run_id, round(kept.margin, 4)), strict=True))
            lost = max(0.0, -other.margin)
            yield detection(detector, other, lost, MARGINS, **known, prefers=other.foil, over=other.target)


def pairs(cases: Sequence[Case], first: str, second: str) -> list[tuple[Case, Case]]:
    """Pairs whose prompts belong to these two groups, both measured."""
    found: dict[str, dict[str, Case]] = {}
    for case in cases:
        if case.pair_id is not None and case.group in (first, second) and not math.isnan(case.margin):
            found.setdefault(case.pair_id, {})[case.group] = case
    return [(mine[first], mine[second]) for mine in found.values() if first in mine and second in mine]
