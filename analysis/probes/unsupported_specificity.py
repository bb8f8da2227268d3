"""Does a continuation state details that the model was not sure of? Numbers, dates and names of low probability."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from headscope.analysis.interfaces import TextBackend
from headscope.analysis.probes.repetition import NO_CONTINUATION
from headscope.analysis.sentences import sentence_spans
from headscope.analysis.types import Continuation, Params, RunResult
from headscope.analysis.types.findings import Finding, ProbeResult

MOST_SPANS = 50
_WORD = re.compile(r"\d[\d.,:/-]*\d|\d|\w+(?:['’]\w+)*")
_COLON = re.compile(r":(?=\s)")
_NUMBERS = frozenset({
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twenty", "thirty",
    "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million", "billion", "twice",
})  # fmt: skip
_ALWAYS_CAPITAL = frozenset({"i", "i'm", "i've", "i'd", "i'll", "i’m", "i’ve", "i’d", "i’ll"})


@dataclass(frozen=True, slots=True)
class Detail:
    """A specific word of a continuation. start, end: characters of it. probability: of its least likely token."""

    start: int
    end: int
    word: str
    probability: float


class UnsupportedSpecificity:
    """score: the share of a continuation's specific words whose least likely token had a probability below `below`: 0
    when the model was sure of every detail it states, 1 when of none. NaN without a specific word.

    A word is specific when it has a digit, is a number word, or begins with a capital letter where no sentence begins
    (a name, a month), and the prompt does not have it. That the least likely token of a stated concept tells invented
    ones is from Varshney et al. 2023 (arXiv:2307.03987), who find concepts with a model; finding them by such a rule,
    the threshold and the share are our definition. Capitals are read as in English: German nouns would all be names.

    evidence: `spans`, where the unsure details stand (characters, at most 50); `details`, each specific word with its
    probability; `excess`, the mean surprisal of their least likely tokens minus that of the other words', nats (null
    without other words); `below`.
    """

    NAME: ClassVar[str] = "unsupported_specificity"

    def score(self, backend: TextBackend, results: Sequence[RunResult], params: Params) -> list[tuple[Finding, ...]]:
        """One result per prompt; NaN with the reason where there is no continuation or no specific word in it."""
        return [(self._result(result, params["below"]),) for result in results]

    def _result(self, result: RunResult, below: float) -> ProbeResult:
        said = result.continuation
        if said is None:
            return _unmeasured(NO_CONTINUATION)
        words = list(worded(said))
        specific = specific_words(words, "".join(said.texts), result.prompt.text)
        if not specific:
            return _unmeasured("the continuation has no number and no name that the prompt does not have")
        if not np.isfinite([word.probability for word in specific]).all():
            return _unmeasured("the model tells no probabilities")
        unsure = [word for word in specific if word.probability < below]
        others = [word for word in words if word not in specific]
        evidence: dict[str, Any] = {
            "spans": [[word.start, word.end] for word in unsure[:MOST_SPANS]],
            "details": [[word.word, round(word.probability, 6)] for word in specific[:MOST_SPANS]],
            "excess": round(_surprisal(specific) - _surprisal(others), 6) if others else None,
            "specific": len(specific),
            "words": len(words),
            "below": below,
        }
        return ProbeResult(self.NAME, len(unsure) / len(specific), evidence=evidence)


def worded(said: Continuation) -> Iterator[Detail]:
    """The words of a continuation, each with the probability of the least likely token that has a letter of it."""
    ends = np.cumsum([len(text) for text in said.texts])
    starts = ends - [len(text) for text in said.texts]
    for word in _WORD.finditer("".join(said.texts)):
        mine = (starts < word.end()) & (ends > word.start())
        yield Detail(
            word.start(), word.end(), word.group(), float(np.exp(said.logprobs[mine].astype(np.float64).min()))
        )


def specific_words(words: Sequence[Detail], continuation: str, prompt: str) -> list[Detail]:
    """Those of the continuation's words that are numbers or names, by the rule above."""
    given = {found.group().casefold() for found in _WORD.finditer(prompt)}
    opening = _openings(prompt + continuation)
    return [
        word for word in words
        if (plain := word.word.casefold()) not in given
        and (any(letter.isdigit() for letter in plain) or plain in _NUMBERS
             or (word.word[0].isupper() and plain not in _ALWAYS_CAPITAL and len(prompt) + word.start not in opening))
    ]  # fmt: skip


def _openings(text: str) -> set[int]:
    """Where a sentence's first letter stands, or the first after a colon, with which a form asks for an answer."""
    starts = [start for start, _ in sentence_spans(text)] + [found.end() for found in _COLON.finditer(text)]
    return {found.start() for start in starts if (found := _WORD.search(text, start))}


def _surprisal(words: Sequence[Detail]) -> float:
    return float(np.mean([-np.log(max(word.probability, 1e-300)) for word in words]))


def _unmeasured(reason: str) -> ProbeResult:
    return ProbeResult(UnsupportedSpecificity.NAME, float("nan"), evidence={"error": reason})
