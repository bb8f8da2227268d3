"""Confidence: how sure models were, whether that was warranted, and where in the layers the answer was settled."""

from __future__ import annotations

from headscope.dashboard.pages.confidence.cards import (
    calibration,
    consistency,
    distributions,
    layers,
    overconfident,
    risk,
)
from headscope.dashboard.pages.confidence.compared import differences
from headscope.dashboard.pages.confidence.query import ConfidenceQuery
from headscope.dashboard.pages.confidence.signs import signs
from headscope.dashboard.pages.confidence.view import LIMITS, confidence_bar
from headscope.dashboard.scoped.page import Card, ScopedPage

SCOPED: ScopedPage[ConfidenceQuery] = ScopedPage(
    ConfidenceQuery,
    "How sure models were, whether that was warranted, and where in the layers an answer was settled.",
    "Confidence is summed up over the runs",
    LIMITS,
    {
        "confidence-spread": Card("Distributions", "Surprisal, entropy, probability, margin, rank.", distributions),
        "confidence-compared": Card("Compared", "Series against one of them, prompt by prompt.", differences),
        "confidence-calibration": Card("Calibration", "Stated probability and share right.", calibration),
        "confidence-signs": Card("Signs of a wrong answer", "What tells wrong from right.", signs),
        "confidence-risk": Card("Answering only when sure", "Risk and coverage.", risk),
        "confidence-layers": Card("Where the answer locks in", "Logit lens, layer by layer.", layers),
        "confidence-consistency": Card("Asked again", "Sampled answers, clustered.", consistency),
        "confidence-wrong": Card("Sure and wrong", "Wrong answers, the surest first.", overconfident),
    },
    bar=confidence_bar,
)  # fmt: skip
PAGE, layout, register = SCOPED.page, SCOPED.layout, SCOPED.register
