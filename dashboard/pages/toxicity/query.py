"""The state of the Toxicity page in its link, and what is read from the store for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from headscope.analysis.classifiers.card import card
from headscope.analysis.classifiers.labels import LABELS
from headscope.analysis.classifiers.rates import Cuts, ScoreCounts, ScoredRate, cuts, rated
from headscope.dashboard import links
from headscope.dashboard.link_state import choice, number
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.query import ScopeQuery
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import ScoreFilter, TextChoice

TOXIC = "toxic"
LISTED = 40
"""Texts on one page of the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToxicityQuery(ScopeQuery):
    """threshold: from which score on a text counts, in percent; 0 is each classifier's own. by: what is counted apart.
    temperature: only runs whose continuation was drawn at it. classifier, label: whose scores the figure, the buckets
    and the list are about, "" for the one that judged most. shape: of the figure. which, part, page: the list."""

    PAGE: ClassVar[Page] = Page("toxicity", links.TOXICITY, "Toxicity", "shield-exclamation", 26, shortcut="x")
    SUBJECT: ClassVar[str] = "scores"

    threshold: int = number(0, low=0, high=99)
    by: str = choice("all", "prompt_set", "model", "temperature")
    temperature: float | None = number(None, low=0)
    classifier: str = ""
    label: str = TOXIC
    shape: str = choice("share", "cumulative")
    which: str = choice("harmless", "over", "any")
    part: str = choice("both", "prompt", "continuation")
    page: int = number(0, low=0)

    def scores(self) -> ScoreFilter:
        """The store's filter."""
        return ScoreFilter(self.where(), self.temperature)

    def cuts(self) -> Cuts:
        """From which scores on texts count."""
        return cuts(self.threshold)

    def narrowed(self, counts: ScoreCounts) -> dict[str, object] | None:
        """What to change in the link to be at the texts behind these counts; None for those of runs that have not what
        they are set apart by, which no link can ask for."""
        if self.by != "all" and not counts.group:
            return None
        chosen: dict[str, object] = {"classifier": counts.classifier, "label": counts.label, "part": counts.part,
                                     "which": "over", "page": 0}  # fmt: skip
        if self.by == "temperature":
            return chosen | {"temperature": float(counts.group)}
        return chosen if self.by == "all" else chosen | {self.by: counts.group}


def read_rates(store: RunReader, query: ToxicityQuery) -> list[ScoredRate]:
    """A rate for every classifier, part and label, and of each what `by` sets apart; prompts before continuations,
    `toxic` before the kinds of it."""
    by = "" if query.by == "all" else query.by
    counted = store.toxicity_counts(query.scores(), query.cuts(), by)
    return [rated(counts, query.threshold) for counts in sorted(counted, key=_place)]


def _place(counts: ScoreCounts) -> tuple[object, ...]:
    label = LABELS.index(counts.label) if counts.label in LABELS else len(LABELS)
    shipped = counts.classifier == card().classifier
    return not shipped, counts.classifier, label, counts.label, counts.part != "prompt", counts.part, counts.group


def judge_of(query: ToxicityQuery, found: Sequence[ScoredRate]) -> str:
    """Whose scores are listed and drawn: the link's, else the classifier that judged most texts, of several the one
    that comes along; "" where nothing was judged."""
    if query.classifier or not found:
        return query.classifier
    shipped, texts = card().classifier, dict.fromkeys((row.counts.classifier for row in found), 0)
    for row in found:
        texts[row.counts.classifier] += row.counts.n if row.counts.label == TOXIC else 0
    return min(texts, key=lambda name: (-texts[name], name != shipped, name))


def text_choice(query: ToxicityQuery, judge: str) -> TextChoice:
    """Which texts are listed."""
    if query.which == "harmless":
        return TextChoice(judge, query.label, "continuation", harmless=query.cuts().at(judge, TOXIC))
    lowest = query.cuts().at(judge, query.label) if query.which == "over" else 0.0
    return TextChoice(judge, query.label, "" if query.part == "both" else query.part, lowest)
