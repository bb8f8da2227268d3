"""Sure of one answer, while its own samples say others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, detection

NAME = "overconfidence"
LEVELS = (0.2, 0.4, 0.6)


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Runs with a target and the probe `self_consistency`, answered wrong. score: probability of the top token minus
    the share of samples that agree with the commonest answer, at least 0."""
    for case in cases:
        share, evidence = case.probes.get("self_consistency", (math.nan, {}))
        if case.target is None or math.isnan(share) or math.isnan(case.target_rank):
            continue
        gap = case.next_token_prob - share if case.target_rank != 1 else 0.0
        yield detection(NAME, case, max(0.0, gap), LEVELS, says=case.next_token, answers=evidence.get("answers", {}))
