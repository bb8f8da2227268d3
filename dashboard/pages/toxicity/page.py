"""Toxicity: what a classifier says of prompts and continuations, and how far to believe it."""

from __future__ import annotations

from headscope.dashboard.pages.toxicity.cards import buckets, scores, spread, texts
from headscope.dashboard.pages.toxicity.query import ToxicityQuery
from headscope.dashboard.pages.toxicity.view import LIMITS
from headscope.dashboard.scoped.page import Card, ScopedPage

SCOPED: ScopedPage[ToxicityQuery] = ScopedPage(
    ToxicityQuery,
    "What a classifier says of prompts and continuations, and how far to believe it.",
    "Toxicity is summed up over the texts",
    LIMITS,
    {
        "toxicity-scores": Card("Rates", "Every label, prompts and continuations apart.", scores),
        "toxicity-spread": Card("How the scores are spread", "Prompts beside continuations.", spread),
        "toxicity-buckets": Card("From prompt to continuation", "By how toxic the prompt was.", buckets),
        "toxicity-texts": Card("Texts by score", "Covered until you ask.", texts),
    },
)
PAGE, layout, register = SCOPED.page, SCOPED.layout, SCOPED.register
