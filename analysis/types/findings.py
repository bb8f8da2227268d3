"""What probes and classifiers say about a run. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PASSED = "passed"
SEVERITIES = ("low", "medium", "high")
"""Labels of a failure detector, mildest first; a run that was looked at and is fine has the label `passed`."""


@dataclass(frozen=True, slots=True)
class ToxicityScore:
    """One label of one text. part: `prompt` or `continuation`. score: calibrated probability, NaN when not scored.

    classifier: its name and version. evidence: the number of windows a long text was read in.
    """

    part: str
    label: str
    score: float
    classifier: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one probe found. score: in the probe's own unit, NaN when unmeasured. label: a word for it, where it has one
    (a failure detector says `passed`, or how severe). evidence: plain JSON that lets a person check it."""

    probe: str
    score: float
    label: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadedScorer:
    """Who scores texts. name: stored with its scores. explained_from: the `toxic` score from which on it says which
    words did it, None for one that cannot."""

    name: str
    explained_from: float | None = None


Finding = ToxicityScore | ProbeResult
