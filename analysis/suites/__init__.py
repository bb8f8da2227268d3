"""Scores of published sets, as their papers define them, over runs of prompts that `headscope.datasets.importers` made.

A suite is one module with a `SUITE`, named in `SUITES` by the format it scores.
"""

from __future__ import annotations

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.suites import (
    bbq,
    crows_pairs,
    hatecheck,
    lama,
    pararel,
    realtoxicityprompts,
    stereoset,
    truthfulqa,
    winobias,
    winogender,
)
from headscope.analysis.suites.base import Suite

SUITES: dict[str, Suite] = {
    module.SUITE.name: module.SUITE
    for module in (
        bbq,
        crows_pairs,
        hatecheck,
        lama,
        pararel,
        realtoxicityprompts,
        stereoset,
        truthfulqa,
        winobias,
        winogender,
    )
}


def suite(name: str) -> Suite:
    """The suite of a format. Raises UnknownNameError naming those that there are."""
    if name not in SUITES:
        raise UnknownNameError("suite", name, SUITES)
    return SUITES[name]
