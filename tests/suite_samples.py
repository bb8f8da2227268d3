"""Runs of published sets made by hand, and their scores in a form to compare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from headscope.analysis.suites import suite
from headscope.analysis.suites.base import Case, Score, Scored, SuiteRun

NAN = float("nan")


def run(
    prompt: str, *logprobs: float, group: str = "", pair: str = "", tags: Sequence[str] = (), **more: object
) -> SuiteRun:
    """A run whose first token has no log-probability; every token is one character long."""
    values = np.array([NAN, *logprobs], dtype=np.float32)
    ends = np.arange(1, len(values) + 1, dtype=np.int32)
    return SuiteRun(prompt, group or None, pair or None, tuple(tags), values, ends, **more)  # type: ignore[arg-type]


def scores(scored: Scored) -> dict[tuple[str, str], Score]:
    return {(score.name, score.subset): score for score in scored.scores}


def values(scored: Scored) -> dict[tuple[str, str], float]:
    return {key: pytest.approx(score.value, nan_ok=True) for key, score in scores(scored).items()}


def of_runs(name: str, runs: Sequence[SuiteRun]) -> Scored:
    score = suite(name).score
    assert score is not None
    return score(runs)


def of_cases(name: str, cases: Sequence[Case]) -> Scored:
    score = suite(name).score_cases
    assert score is not None
    return score(cases)
