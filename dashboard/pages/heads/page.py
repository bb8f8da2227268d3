"""Heads: what every head looks at and what it does, over all runs of an experiment or a selection."""

from __future__ import annotations

from headscope.dashboard.pages.heads.cards import show_importance, show_map, show_table
from headscope.dashboard.pages.heads.models import show_models
from headscope.dashboard.pages.heads.one import show_head
from headscope.dashboard.pages.heads.query import HeadsQuery
from headscope.dashboard.pages.heads.view import LIMITS
from headscope.dashboard.scoped.page import Card, ScopedPage

SCOPED: ScopedPage[HeadsQuery] = ScopedPage(
    HeadsQuery,
    "What every head looks at over many prompts, and what its removal does.",
    "Heads are summed up over the runs",
    LIMITS,
    {
        "heads-map": Card("Every head", "One statistic, mean over runs, layer by head.", show_map),
        "heads-one": Card("One head", "Run by run.", show_head),
        "heads-table": Card("What heads are", "Labels by rules over means, with their evidence.", show_table),
        "heads-models": Card("Models side by side", "Their heads, most of the statistic first.", show_models),
        "heads-matter": Card("Looks important, is important", "Against what removing the head does.", show_importance),
    },
)
PAGE, layout, register = SCOPED.page, SCOPED.layout, SCOPED.register
