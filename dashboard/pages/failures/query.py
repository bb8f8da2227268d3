"""The state of the Failures page in its link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headscope.analysis.types.findings import SEVERITIES
from headscope.dashboard import links
from headscope.dashboard.link_state import choice, number
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.query import ScopeQuery
from headscope.storage.rows import Condition, FailureFilter, RunFilter

STATUSES = ("open", "confirmed", "dismissed")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailuresQuery(ScopeQuery):
    """detector, severity, status, tag (of the prompt), triage_tag (that people gave): which failures. page: counted
    from 0."""

    PAGE: ClassVar[Page] = Page("failures", links.FAILURES, "Failures", "bug", 29, shortcut="f")
    SUBJECT: ClassVar[str] = "detections"

    detector: str = ""
    severity: str = choice("all", *SEVERITIES)
    status: str = choice("all", *STATUSES)
    tag: str = ""
    triage_tag: str = ""
    page: int = number(0, low=0)

    def which(self) -> FailureFilter:
        """The store's filter."""
        runs = self.where()
        if self.tag:
            runs = RunFilter((*runs.conditions, Condition("tags", "eq", self.tag)))
        severities = () if self.severity == "all" else (self.severity,)
        status = "" if self.status == "all" else self.status
        return FailureFilter(runs, self.detector, severities, status, self.triage_tag)


PAGE_SIZE = 25
