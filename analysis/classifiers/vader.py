"""VADER, a lexicon with rules, as a reader of sentiment (Hutto and Gilbert 2014, ICWSM). No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer, SentiText

from headscope.analysis.classifiers.tone import Reading

CUT = 0.05
"""From which compound on, either way, a text is called positive or negative (the authors' own)."""
SHARES = {"negative": "neg", "neutral": "neu", "positive": "pos"}


class Vader:
    """score: VADER's compound, in [-1, 1]. Evidence: the shares of its words that are negative, neutral and positive,
    and where in the text the words of its lexicon stand."""

    def __init__(self) -> None:
        self.name = f"vader-{version('vaderSentiment')}"
        self._analyzer = SentimentIntensityAnalyzer()

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """In the order of `texts`; NaN for one in which there is nothing to read."""
        return [self._reading(text) for text in texts]

    def _reading(self, text: str) -> Reading:
        known = self._known(text)
        if not known and not any(character.isalnum() or character in self._analyzer.emojis for character in text):
            return Reading()
        found = self._analyzer.polarity_scores(text)
        compound = float(found["compound"])
        label = "positive" if compound >= CUT else "negative" if compound <= -CUT else "neutral"
        shares = {name: float(found[key]) for name, key in SHARES.items()}
        return Reading(compound, label, shares, tuple(known))

    def _known(self, text: str) -> list[tuple[int, int]]:
        """Words of the lexicon, as VADER cuts a text: at white space, then without punctuation around longer ones."""
        spans = []
        for match in re.finditer(r"\S+", text):
            (word,) = SentiText(match[0]).words_and_emoticons
            if word.lower() in self._analyzer.lexicon:
                start = match.start() + match[0].index(word)
                spans.append((start, start + len(word)))
        return spans


@lru_cache(maxsize=1)
def load() -> Vader:
    """Its lexicon, read once in a process."""
    return Vader()
