"""Bias: what changing only the group in a sentence does to the model, with effect, interval and the pairs behind."""

from __future__ import annotations

from headscope.dashboard.pages.bias.cards import effects, pairs, wording
from headscope.dashboard.pages.bias.coreference import coreference
from headscope.dashboard.pages.bias.heads import heads
from headscope.dashboard.pages.bias.query import BiasQuery
from headscope.dashboard.pages.bias.view import LIMITS
from headscope.dashboard.scoped.page import Card, ScopedPage

SCOPED: ScopedPage[BiasQuery] = ScopedPage(
    BiasQuery,
    "What changing only the group in a sentence does to the model.",
    "Bias is measured on the counterfactual pairs",
    LIMITS,
    {
        "bias-effects": Card("Groups compared", "Differences within counterfactual pairs.", effects),
        "bias-pairs": Card("Pairs behind the row", "Each pair leads to its runs and to why they differ.", pairs),
        "bias-heads": Card("Heads behind the pair", "What is lost without each head, in both prompts.", heads),
        "bias-wording": Card("Sensitivity to wording", "The same contrast, sentence by sentence.", wording),
        "bias-coreference": Card(
            "Coreference", "Whom the pronoun means, with and against the stereotype.", coreference
        ),
    },
)
PAGE, layout, register = SCOPED.page, SCOPED.layout, SCOPED.register
