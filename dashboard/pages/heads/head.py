"""The page of one head, `/heads/<model>/<layer>/<head>`: all that the runs chosen say about it."""

from __future__ import annotations

from headscope.dashboard.pages.heads import head_cards
from headscope.dashboard.pages.heads.head_bar import head_bar
from headscope.dashboard.pages.heads.query import HeadQuery
from headscope.dashboard.pages.heads.view import LIMITS
from headscope.dashboard.scoped.page import Card, ScopedPage

SCOPED: ScopedPage[HeadQuery] = ScopedPage(
    HeadQuery,
    "What one head looks at, what it writes, and what its removal does, over many runs.",
    "A head is looked at over the runs",
    LIMITS,
    {
        "head-labels": Card("What it is", "Every label with its rule and what was measured.", head_cards.show_labels),
        "head-effects": Card("What it does", "Effects on the explained quantity, with and without backups.",
                             head_cards.show_effects),
        "head-looks": Card("What it looks at", "Statistics of its attention.", head_cards.show_looks),
        "head-spread": Card("Distributions", "Every statistic over the runs.", head_cards.show_spread),
        "head-runs": Card("Foremost runs", "Of each statistic those with the most.", head_cards.show_runs),
    },
    head_bar,
)  # fmt: skip
PAGE, layout, register = SCOPED.page, SCOPED.layout, SCOPED.register
