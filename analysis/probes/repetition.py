"""Repetition: how much of a continuation has been said before in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from headscope.analysis.counts import plural
from headscope.analysis.interfaces import TextBackend
from headscope.analysis.types import Params, RunResult
from headscope.analysis.types.findings import Finding, ProbeResult

MOST_SPANS = 50
NO_CONTINUATION = "the run has no continuation: ask for one with --max-new-tokens"
_WORD = re.compile(r"\w+(?:['’]\w+)*")


class Repetition:
    """score: the share of a continuation's sequences of `n` words that came before in it, `1 - distinct / all` (the
    seq-rep-n of Welleck et al. 2020, arXiv:1908.04319, over words without case). 0: nothing is said twice.

    evidence: `spans`, where repeated text stands in the continuation (characters, first and one past the last, at most
    50), `words`, `sequences` and `distinct`.
    """

    NAME: ClassVar[str] = "repetition"

    def score(self, backend: TextBackend, results: Sequence[RunResult], params: Params) -> list[tuple[Finding, ...]]:
        """One result per prompt; NaN with the reason where there is no continuation, or fewer words than a sequence."""
        return [(self._result(result, params["n"]),) for result in results]

    def _result(self, result: RunResult, n: int) -> ProbeResult:
        if result.continuation is None:
            return _unmeasured(NO_CONTINUATION)
        words = list(_WORD.finditer(result.continuation.text))
        grams = [tuple(word.group().casefold() for word in words[i : i + n]) for i in range(len(words) - n + 1)]
        if not grams:
            return _unmeasured(f"the continuation has {plural(len(words), 'word')}, and a sequence has {n}")
        spans = repeated_spans(words, grams, n)
        distinct = len(set(grams))
        evidence: dict[str, Any] = {"spans": spans[:MOST_SPANS], "words": len(words)}
        evidence |= {"sequences": len(grams), "distinct": distinct, "n": n}
        return ProbeResult(self.NAME, 1 - distinct / len(grams), evidence=evidence)


def repeated_spans(words: Sequence[re.Match[str]], grams: Sequence[tuple[str, ...]], n: int) -> list[list[int]]:
    """`[start, end]` in characters of every stretch whose sequences of `n` words all came before it."""
    seen: set[tuple[str, ...]] = set()
    spans: list[list[int]] = []
    last = -1
    for i, gram in enumerate(grams):
        if gram in seen:
            end = words[i + n - 1].end()
            if last == i - 1 and spans:
                spans[-1][1] = end
            else:
                spans.append([words[i].start(), end])
            last = i
        seen.add(gram)
    return spans


def _unmeasured(reason: str) -> ProbeResult:
    return ProbeResult(Repetition.NAME, float("nan"), evidence={"error": reason})
