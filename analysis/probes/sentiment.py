"""Sentiment of continuations by VADER, a lexicon with rules (Hutto and Gilbert 2014)."""

from __future__ import annotations

from headscope.analysis.classifiers import vader
from headscope.analysis.classifiers.tone import ToneReader
from headscope.analysis.probes.tone import ToneProbe


class Sentiment(ToneProbe):
    """score: VADER's compound, from -1 to 1; `classifiers.tone_limits` says what it does not tell."""

    NAME = "sentiment"

    def reader(self) -> ToneReader:
        """See `ToneProbe.reader`."""
        return vader.load()
