"""The state of the Scorer audit page in its link, and which cards and scores it is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from headscope.analysis.classifiers.card import ScorerCard, cards
from headscope.analysis.classifiers.rates import cuts
from headscope.dashboard import links
from headscope.dashboard.link_state import choice, number
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.query import ScopeQuery
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import ScoreFilter, ScorerPair

TOXIC = "toxic"
LISTED = 20
"""Texts on one page of the list."""
HOW = ("Integrated gradients of the classifier's logit from a baseline of padding (Sundararajan et al. 2017), not of "
       "the model that wrote the text. Missed: what the words' shares do not account for.")  # fmt: skip
SHARED = ("Relevance propagation (CP-LRP, Ali et al. 2022: where heads look is held constant) shares out the logit "
          "itself, from the head back to what was read. Missed: what all of these do not account for.")  # fmt: skip


class Ids(StrEnum):
    """Ids of the card for typed texts; scorer.js looks its places up by them."""

    TEXT = "scorer-text"
    SCORE = "scorer-score"
    FORM = "scorer-form"
    ASKED = "scorer-asked"
    ANSWER = "scorer-answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerQuery(ScopeQuery):
    """classifier: whose card, "" for the one that comes along. other: the one it is set against over stored runs, ""
    for the first that judged the same texts. which, page: the list of those."""

    PAGE: ClassVar[Page] = Page("scorer", links.SCORER, "Scorer audit", "clipboard-check", 26, shortcut="s")
    SUBJECT: ClassVar[str] = "scores"

    classifier: str = ""
    other: str = ""
    which: str = choice("all", "apart")
    page: int = number(0, low=0)

    def stated(self) -> ScorerCard:
        """The card; of a classifier without one, that of the one that comes along."""
        known = cards()
        return known.get(self.classifier) or next(iter(known.values()))

    def beside(self) -> ScorerCard:
        """The next card, to compare with."""
        known = list(cards().values())
        return known[(known.index(self.stated()) + 1) % len(known)]


def judges(store: RunReader, query: ScorerQuery) -> dict[str, int]:
    """Texts with a score of `toxic`, by the classifier that gave it."""
    found: dict[str, int] = {}
    for row in store.toxicity_counts(ScoreFilter(query.where()), cuts()):
        if row.label == TOXIC:
            found[row.classifier] = found.get(row.classifier, 0) + row.n
    return found


def pair(query: ScorerQuery, judged: dict[str, int]) -> ScorerPair | None:
    """The chosen classifier and another that judged these runs, each at its own threshold; None where one of the two
    did not."""
    first = query.stated().classifier
    others = [name for name in sorted(judged) if name != first]
    second = query.other if query.other in others else next(iter(others), "")
    if first not in judged or not second:
        return None
    own = cuts()
    return ScorerPair(first, second, own.at(first, TOXIC), own.at(second, TOXIC))
