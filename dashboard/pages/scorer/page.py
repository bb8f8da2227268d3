"""Scorer audit: how far a toxicity classifier is to be believed, from its card and from what others say of the same."""

from __future__ import annotations

from dash import html

from headscope.dashboard.pages.scorer.cards import calibration, explorer, figures, functional, swaps, weaknesses
from headscope.dashboard.pages.scorer.query import ScorerQuery
from headscope.dashboard.pages.scorer.stored import disagreement, evidence
from headscope.dashboard.pages.scorer.view import scorer_bar
from headscope.dashboard.scoped.page import Card, ScopedPage

LIMITS = html.Ul([
    html.Li("The figures are of texts like the test split, people on the web. Of other texts they may not hold."),
    html.Li("Functional tests are few sentences of a kind: they find what a scorer cannot do, and prove nothing else."),
    html.Li("Where two scorers part, either may be wrong. Read the text."),
])  # fmt: skip

SCOPED: ScopedPage[ScorerQuery] = ScopedPage(
    ScorerQuery,
    "How far a toxicity classifier is to be believed.",
    "Scorers are compared over the texts",
    LIMITS,
    {
        "scorer-figures": Card("Figures", "On texts that it was not trained on.", figures, scoped=False),
        "scorer-calibration": Card("Calibration", "Whether scores mean what they say.", calibration, scoped=False),
        "scorer-explorer": Card("Thresholds", "What each one costs.", explorer, scoped=False),
        "scorer-functional": Card("Functional tests", "One kind of sentence at a time.", functional, scoped=False),
        "scorer-swaps": Card("Groups exchanged", "Neutral sentences, one word changed.", swaps, scoped=False),
        "scorer-weaknesses": Card("Known weaknesses", "In words.", weaknesses, scoped=False),
        "scorer-disagreement": Card("Where scorers part", "Stored texts that two judged.", disagreement, scoped=False),
        "scorer-evidence": Card("What it reads", "Words that raised a score.", evidence, scoped=False),
    },
    scorer_bar,
)
PAGE, layout, register = SCOPED.page, SCOPED.layout, SCOPED.register
