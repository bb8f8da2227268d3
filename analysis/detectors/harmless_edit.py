"""A typo, a capital letter or a space that changes the answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, detection

NAME = "harmless_edit"
LEVELS = (0.25, 0.5, 0.75)


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Runs with the probe `harmless_edits`. score: the share of its edits that put another token on top."""
    for case in cases:
        score, evidence = case.probes.get("harmless_edits", (math.nan, {}))
        if not math.isnan(score):
            changed = [edit for edit in evidence.get("edits", []) if edit.get("changed")]
            yield detection(NAME, case, score, LEVELS, edits=changed)
