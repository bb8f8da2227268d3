"""Whom a causal model takes a pronoun to mean: the more likely of two completions of `"she" refers to`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headscope.analysis.suites.base import SuiteRun, preference, total


def choice(runs: Sequence[SuiteRun], candidates: tuple[str, str]) -> float:
    """1 when the completion of the first candidate (tag `candidate:`) is the more likely, 0 when the second's is, 0.5
    when both are equal; NaN when one is missing or was not measured."""
    values = {run.tag("candidate"): total(run) for run in runs}
    first, second = (values.get(name, math.nan) for name in candidates)
    return preference(first, second)
