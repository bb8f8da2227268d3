"""One question, several wordings, different answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, detection

NAME = "inconsistent"
LEVELS = (0.3, 0.5, 0.75)
PREFIX = "paraphrase"


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Prompts of one pair id whose groups begin with `paraphrase` (ParaRel, Elazar et al. 2021, arXiv:2102.01017).

    score: the share of the other wordings that are answered with another token than this one; 0 when all agree.
    """
    wordings: dict[str, list[Case]] = {}
    for case in cases:
        if case.pair_id is not None and (case.group or "").startswith(PREFIX) and case.next_token is not None:
            wordings.setdefault(case.pair_id, []).append(case)
    for mine in wordings.values():
        answers = Counter(case.next_token for case in mine)
        for case in mine:
            others = len(mine) - 1
            score = (len(mine) - answers[case.next_token]) / others if others else math.nan
            if others:
                yield detection(NAME, case, score, LEVELS, says=case.next_token, answers=dict(answers.most_common()))
