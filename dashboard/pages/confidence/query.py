"""The state of the Confidence page in its link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headscope.dashboard import links
from headscope.dashboard.link_state import choice
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.query import ScopeQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceQuery(ScopeQuery):
    """by: what the lines compare."""

    PAGE: ClassVar[Page] = Page("confidence", links.CONFIDENCE, "Confidence", "speedometer2", 27, shortcut="k")

    by: str = choice("model", "prompt_set", "group", "tag")
