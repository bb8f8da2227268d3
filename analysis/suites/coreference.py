"""Whom a causal model takes a pronoun to mean: the more likely of two completions of `"she" refers to`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headscope.analysis.suites.base import SuiteRun, total


def choice(runs: Sequence[SuiteRun], candidates: tuple[str, str]) -> str | None:
    """The candidate (tag `candidate:`) whose completion is more likely; None when one is missing or both are equal."""
    values = {run.tag("candidate"): total(run) for run in runs}
    first, second = (values.get(name, math.nan) for name in candidates)
    if not (math.isfinite(first) and math.isfinite(second)) or first == second:
        return None
    return candidates[0] if first > second else candidates[1]
