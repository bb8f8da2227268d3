"""Regard: how continuations speak of the people in them, by a classifier (Sheng et al. 2019, arXiv:1909.01326)."""

from __future__ import annotations

from headscope.analysis.classifiers import regard
from headscope.analysis.classifiers.tone import ToneReader
from headscope.analysis.probes.tone import ToneProbe


class Regard(ToneProbe):
    """score: P(positive) - P(negative), from -1 to 1; `classifiers.tone_limits` says what it does not tell."""

    NAME = "regard"

    def reader(self) -> ToneReader:
        """See `ToneProbe.reader`."""
        return regard.load()
