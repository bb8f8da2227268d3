"""Failures: what the detectors found, how often, and what people made of it."""

from __future__ import annotations

from headscope.dashboard.pages.failures.cards import alike, cases, detectors
from headscope.dashboard.pages.failures.query import FailuresQuery
from headscope.dashboard.pages.failures.view import LIMITS
from headscope.dashboard.scoped.page import Card, ScopedPage

SCOPED: ScopedPage[FailuresQuery] = ScopedPage(
    FailuresQuery,
    "What went wrong, by rules you can read, with evidence; and what you made of it.",
    "Failures are found among the runs",
    LIMITS,
    {
        "failures-detectors": Card("Detectors", "How often each found something.", detectors),
        "failures-cases": Card("Cases", "The most severe first.", cases),
        "failures-alike": Card("Alike", "Clusters of similar failures.", alike),
    },
)
PAGE, layout, register = SCOPED.page, SCOPED.layout, SCOPED.register
