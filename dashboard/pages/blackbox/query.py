"""The state of the Black box page in its link, and the runs that are read for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headscope.dashboard import links
from headscope.dashboard.link_state import choice
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.query import ScopeQuery
from headscope.jobs import answer_tests
from headscope.jobs.answer_tests import Tested
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import FindingRow, FindingSample

LISTED = 20
PROBE = "perturbation"
MOST = 5_000
"""Findings of a probe that the page reads; of more it says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackBoxQuery(ScopeQuery):
    """measure: by which change of the answer. sort: the least or the most certain order first. page: from 1."""

    PAGE: ClassVar[Page] = Page("blackbox", links.BLACKBOX, "Black box", "box", 32, shortcut="a")
    SUBJECT: ClassVar[str] = "blackbox"

    measure: str = choice("logprob", "edit", "embedding")
    sort: str = choice("uncertain", "certain")
    page: int = 1


def studied(store: RunReader, query: BlackBoxQuery, most: int = MOST) -> FindingSample:
    """The runs whose parts were taken out, in the order asked for, of unknown certainty last: all, or a random `most`
    of them."""
    found = store.finding_sample(query.where(), PROBE, most)
    sign = 1 if query.sort == "uncertain" else -1

    def place(row: FindingRow) -> tuple[bool, float, str]:
        return row.score is None, sign * (row.score or 0), row.run_id

    return FindingSample(tuple(sorted(found.rows, key=place)), found.total)


def tested(store: RunReader, query: BlackBoxQuery) -> tuple[list[Tested], int, int]:
    """See `headscope.jobs.answer_tests.tested`."""
    return answer_tests.tested(store, query.where())
