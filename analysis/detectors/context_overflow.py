"""A prompt longer than the model can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection
from headscope.analysis.types.findings import PASSED, ProbeResult

NAME = "context_overflow"
KIND = "too_long"


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Every run. score: 1 for a run that failed because its prompt is too long, with high severity; else 0."""
    for case in cases:
        over = case.error_kind == KIND
        evidence = {"error": case.error} if over else {}
        yield Detection(case.run_id, ProbeResult(NAME, float(over), "high" if over else PASSED, evidence))
