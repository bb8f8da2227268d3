"""Toxicity: what a classifier says of prompts and continuations, and how far to believe it."""

from __future__ import annotations

from headscope.dashboard.pages.toxicity.cards import buckets, scores, spread, texts
from headscope.dashboard.pages.toxicity.query import ToxicityQuery
from headscope.dashboard.pages.toxicity.scorer import audit, explorer, swaps
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
        "toxicity-swaps": Card("The scorer, audited: groups exchanged", "Neutral sentences, one word changed.", swaps),
        "toxicity-explorer": Card("The scorer, audited: thresholds", "Calibration and cost.", explorer),
        "toxicity-card": Card("The scorer, audited: model card", "What it gets right and wrong.", audit),
    },
)
PAGE, layout, register = SCOPED.page, SCOPED.layout, SCOPED.register
