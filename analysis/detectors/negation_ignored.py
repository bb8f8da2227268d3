"""A "not" that changes nothing: the affirmative answer is preferred in the negated sentence too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, detection, pairs

NAME = "negation_ignored"
LEVELS = (1e-9, 0.5, 2.0)


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Pairs of groups `affirmative` and `negative` with target and foil exchanged, where the affirmative is right.

    score: by how many nats the negated sentence still prefers the affirmative's word, 0 when it does not. A pair whose
    affirmative the model gets wrong says nothing about negation and is left out.
    """
    for plain, negated in pairs(cases, "affirmative", "negative"):
        if plain.margin > 0:
            yield detection(
                NAME, negated, max(0.0, -negated.margin), LEVELS,
                affirmative=plain.text, affirmative_run=plain.run_id, affirmative_margin=round(plain.margin, 4),
                prefers=negated.foil, over=negated.target,
            )  # fmt: skip
