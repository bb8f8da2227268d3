"""A continuation that goes round in circles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headscope.analysis.detectors.case import Case, Detection, detection

NAME = "repetition_loop"
LEVELS = (0.3, 0.5, 0.8)
FEWEST_WORDS = 8
TIMES = 3


def detect(cases: Sequence[Case]) -> Iterator[Detection]:
    """Continuations of at least 8 words. score: the share of the words that belong to a phrase said at least three
    times in a row at the end; 0 without one."""
    for case in cases:
        words = (case.continuation or "").split()
        if len(words) >= FEWEST_WORDS:
            length, phrase = looped(words)
            yield detection(NAME, case, length / len(words), LEVELS, phrase=" ".join(phrase), words=len(words))


def looped(words: Sequence[str]) -> tuple[int, Sequence[str]]:
    """How many of the last words are one phrase over and over, and the phrase; (0, ()) when it is said fewer than three
    times. The last time may be cut short."""
    best: tuple[int, Sequence[str]] = (0, ())
    for period in range(1, len(words) // TIMES + 1):
        same = 0
        while same < len(words) - period and words[-1 - same] == words[-1 - same - period]:
            same += 1
        length = same + period
        if same and length >= TIMES * period and length > best[0]:
            best = (length, words[len(words) - length : len(words) - length + period])
    return best
