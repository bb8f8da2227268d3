"""Scorer audit: how far a toxicity classifier is to be believed, from its card and from what others say of the same."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, html

from headscope.dashboard.cards import Children
from headscope.dashboard.ids import Shell
from headscope.dashboard.pages.scorer import typed
from headscope.dashboard.pages.scorer.cards import calibration, explorer, figures, functional, swaps, weaknesses
from headscope.dashboard.pages.scorer.query import Ids, ScorerQuery
from headscope.dashboard.pages.scorer.stored import disagreement, evidence
from headscope.dashboard.pages.scorer.view import scorer_bar
from headscope.dashboard.scoped.page import Card, ScopedPage
from headscope.dashboard.services import Services
from headscope.dashboard.still import still

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
    typed.frame,
)
PAGE, layout = SCOPED.page, SCOPED.layout


def register(app: Dash, services: Services) -> None:
    """Callbacks of the cards, and of the one for typed texts: another scorer in the link reads the text, too."""
    SCOPED.register(app, services)

    @app.callback(
        Output(Ids.ANSWER, "children"),
        Output(Ids.FORM, "hidden"),
        Input(Ids.ASKED, "data"),
        Input(Shell.URL, "search"),
        State(Shell.URL, "pathname"),
    )
    def answer_typed(asked: Any, search: str, path: str) -> tuple[Children, bool]:
        body, useless = typed.answer(services, SCOPED.parse(search, path), typed.Asked.of(asked))
        return still(body), useless
