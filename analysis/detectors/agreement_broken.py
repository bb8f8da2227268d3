"""Agreement lost to a distractor: right without it, wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, detection, pairs

NAME = "agreement_broken"
LEVELS = (1e-9, 0.5, 2.0)


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Pairs of groups `congruent` and `incongruent` with the same target, where the congruent one is right.

    score: by how many nats the wrong verb form is preferred beside the distractor, 0 when it is not (Linzen et al.
    2016, arXiv:1611.01368).
    """
    for easy, hard in pairs(cases, "congruent", "incongruent"):
        if easy.margin > 0:
            yield detection(
                NAME, hard, max(0.0, -hard.margin), LEVELS,
                without_distractor=easy.text, without_run=easy.run_id, without_margin=round(easy.margin, 4),
                prefers=hard.foil, over=hard.target,
            )  # fmt: skip
