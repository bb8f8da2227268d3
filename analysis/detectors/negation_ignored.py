"""A "not" that changes nothing: the affirmative answer is preferred in the negated sentence too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, lost_margins

NAME = "negation_ignored"


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Pairs of groups `affirmative` and `negative` with target and foil exchanged, where the affirmative is right.

    score: by how many nats the negated sentence still prefers the affirmative's word, 0 when it does not. A pair whose
    affirmative the model gets wrong says nothing about negation and is left out.
    """
    evidence = ("affirmative", "affirmative_run", "affirmative_margin")
    return lost_margins(NAME, cases, "affirmative", "negative", evidence)
