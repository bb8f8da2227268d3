"""A sentence that has nothing to do with the question, and changes the answer, or how sure it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, detection, pairs

NAME = "irrelevant_context"
PLAIN, DISTRACTED = "plain", "distracted"
LEVELS = (1.0, 2.0, 4.0)
STAYED = (LEVELS[0], math.inf, math.inf)


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Pairs of groups `plain` and `distracted` with the same target, where the plain one prefers it to the foil.

    score: by how many nats the margin over the foil fell, 0 when it rose; at least 1 where the answer changed, which is
    that the target was on top and is not, or that the foil is preferred now (Shi et al. 2023, arXiv:2302.00093). Where
    the answer stayed and only its margin fell, that is `low` however far it fell.
    """
    for plain, distracted in pairs(cases, PLAIN, DISTRACTED):
        if plain.margin > 0:
            lost = max(0.0, plain.margin - distracted.margin)
            left = plain.target_rank == 1 and distracted.target_rank > 1
            changed = left or distracted.margin < 0
            score, levels = (max(lost, LEVELS[0]), LEVELS) if changed else (lost, STAYED)
            yield detection(
                NAME,
                distracted,
                score,
                levels,
                changed=changed,
                plain=plain.text,
                plain_run=plain.run_id,
                said=plain.next_token,
                says=distracted.next_token,
                plain_margin=round(plain.margin, 4),
                margin=round(distracted.margin, 4),
            )
