"""Models side by side: the same prompts on two models or checkpoints, and the prompts on which they part."""

from __future__ import annotations

from headscope.dashboard.pages.models.cards import calibration, flips, summary
from headscope.dashboard.pages.models.query import ModelsQuery
from headscope.dashboard.pages.models.view import LIMITS, bar
from headscope.dashboard.scoped.page import Card, ScopedPage

SCOPED: ScopedPage[ModelsQuery] = ScopedPage(
    ModelsQuery,
    "The same prompts on two models or checkpoints, and the prompts on which they part.",
    "Two models are compared",
    LIMITS,
    {
        "models-summary": Card("Side by side", "Over the prompts that both models ran.", summary, scoped=False),
        "models-flips": Card("Flips", "One model prefers the target, the other does not.", flips, scoped=False),
        "models-calibration": Card("Calibration", "Stated probability and share right.", calibration, scoped=False),
    },
    bar,
)
PAGE, layout, register = SCOPED.page, SCOPED.layout, SCOPED.register
