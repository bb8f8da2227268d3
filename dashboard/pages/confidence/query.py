"""The state of the Confidence page in its link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headscope.dashboard import links
from headscope.dashboard.link_state import choice
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.selection import SelectedQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceQuery(SelectedQuery):
    """by: what the lines compare. answers: `right` leaves out targets that are no right answers, `all` counts every
    target. settled: whose place under the lens is followed, the final top `token`'s or the `target`'s. against: the
    series that others are compared with, the largest where none is said."""

    PAGE: ClassVar[Page] = Page("confidence", links.CONFIDENCE, "Confidence", "speedometer2", 27, shortcut="k")
    SUBJECT: ClassVar[str] = "measures"

    by: str = choice("model", "prompt_set", "group", "tag")
    answers: str = choice("right", "all")
    settled: str = choice("token", "target")
    against: str = ""
