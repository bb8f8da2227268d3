"""A relation that is known one way round only: who can say the capital of a country cannot say whose capital it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, lost_margins

NAME = "reversed_relation"
FORWARD, REVERSED = "forward", "reversed"


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Pairs of groups `forward` and `reversed`, each with the answer of its own direction, at least one of them right.

    score: by how many nats the other direction prefers its foil, 0 when it does not (the reversal curse, Berglund et
    al. 2023, arXiv:2309.12288). Which direction is called forward is convention, so either may be the one that is lost.
    """
    evidence = ("known", "known_run", "known_margin")
    yield from lost_margins(NAME, cases, FORWARD, REVERSED, evidence)
    yield from lost_margins(NAME, cases, REVERSED, FORWARD, evidence)
