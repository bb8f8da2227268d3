"""The state of the Toxicity page in its link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headscope.dashboard import links
from headscope.dashboard.link_state import choice, number
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.query import ScopeQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class ToxicityQuery(ScopeQuery):
    """part: whose texts are listed. threshold: from which score on a text counts as toxic, in percent."""

    PAGE: ClassVar[Page] = Page("toxicity", links.TOXICITY, "Toxicity", "shield-exclamation", 26, shortcut="x")

    part: str = choice("both", "prompt", "continuation")
    threshold: int = number(50, low=1, high=99)
