"""Agreement lost to a distractor: right without it, wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, lost_margins

NAME = "agreement_broken"


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Pairs of groups `congruent` and `incongruent` with the same target, where the congruent one is right.

    score: by how many nats the wrong verb form is preferred beside the distractor, 0 when it is not (Linzen et al.
    2016, arXiv:1611.01368).
    """
    evidence = ("without_distractor", "without_run", "without_margin")
    return lost_margins(NAME, cases, "congruent", "incongruent", evidence)
