"""Black-box models: which parts of a prompt an answer hangs on, and whether it holds when nothing changed."""

from __future__ import annotations

from headscope.dashboard.pages.blackbox.answers import answers
from headscope.dashboard.pages.blackbox.cards import importance, overview, stability
from headscope.dashboard.pages.blackbox.query import BlackBoxQuery
from headscope.dashboard.pages.blackbox.view import LIMITS
from headscope.dashboard.scoped.page import Card, ScopedPage

SCOPED: ScopedPage[BlackBoxQuery] = ScopedPage(
    BlackBoxQuery,
    "What changed prompts do to the answers of models behind an API.",
    "Importance is shown for the black-box runs",
    LIMITS,
    {
        "blackbox-overview": Card("Models", "How sure the orders are, and whether answers hold.", overview),
        "blackbox-importance": Card("What the answer hangs on", "Prompts in parts.", importance),
        "blackbox-stability": Card("Harmless edits", "Edits that should change nothing.", stability),
        "blackbox-answers": Card("Tests of answers", "Consistent, invariant, right both ways, abstaining?", answers),
    },
)
PAGE, layout, register = SCOPED.page, SCOPED.layout, SCOPED.register
