"""Sampled answers that contradict each other: a sign that the answer is made up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, detection

NAME = "self_contradiction"
LEVELS = (0.4, 0.6, 0.8)


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Runs with the probe `self_consistency` and a target (a question with an answer). score: the share of samples that
    do not give the commonest answer."""
    for case in cases:
        share, evidence = case.probes.get("self_consistency", (math.nan, {}))
        if case.target is not None and not math.isnan(share):
            yield detection(NAME, case, 1.0 - share, LEVELS, answers=evidence.get("answers", {}))
