"""Prompts of counterfactual pairs as they are compared."""

from __future__ import annotations

from dataclasses import dataclass

from headscope.analysis.classifiers.tone_limits import LIMITS
from headscope.analysis.statistics.counterfactual import Members

TONES = tuple(LIMITS)
"""Probes whose score of the continuation is a measure."""
PAIR_MEASURES = ("margin", "loglik", "toxicity", *TONES)


@dataclass(frozen=True, slots=True)
class PairRuns:
    """Succeeded runs that have a pair and a group and were asked for the measure: all, or a fixed random sample of the
    `total` in which pairs are whole. judge: the classifier whose scores they are, "" for what a run's own columns
    give."""

    members: Members
    total: int
    judge: str = ""

    def __len__(self) -> int:
        return len(self.members.run_id)
