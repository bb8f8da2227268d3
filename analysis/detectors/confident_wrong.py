"""A wrong answer, given with confidence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, detection

NAME = "confident_wrong"
LEVELS = (0.25, 0.5, 0.75)


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Prompts with an answer: a target, and no group (in a counterfactual pair the target is not a right answer).

    score: the probability of the wrong top token, 0 where the target is on top.
    """
    for case in cases:
        if case.target is None or case.group is not None or math.isnan(case.target_rank):
            continue
        wrong = case.target_rank != 1
        score = case.next_token_prob if wrong else 0.0
        yield detection(NAME, case, score, LEVELS, says=case.next_token, target=case.target, rank=int(case.target_rank))
