"""Words as people write them by mistake or to get past a filter: letters spaced, replaced, doubled, swapped, gone."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

FEWEST_LETTERS = 4
"""Shorter words stay as they are."""
SHARE = 0.6
"""Of the longer words, at least one."""
LOOKALIKES = {"a": "@4", "e": "3", "i": "1!", "o": "0", "s": "$5", "t": "7+", "l": "1", "b": "8", "g": "9"}

Disguise = Callable[[str, np.random.Generator], str]


def disguised(text: str, generator: np.random.Generator) -> str:
    """`text` with one disguise on a share of its words of `FEWEST_LETTERS` and more, the same on all of them."""
    words = [match.span() for match in re.finditer(r"[^\W\d_]+", text) if len(match.group()) >= FEWEST_LETTERS]
    if not words:
        return text
    chosen = generator.random(len(words)) < SHARE
    chosen[generator.integers(len(words))] = True
    disguise = DISGUISES[generator.integers(len(DISGUISES))]
    for (start, end), said in reversed(list(zip(words, chosen, strict=True))):
        if said:
            text = text[:start] + disguise(text[start:end], generator) + text[end:]
    return text


def spaced(word: str, generator: np.random.Generator) -> str:
    """i d i o t, i.d.i.o.t, i-d-i-o-t."""
    return (" ", " ", ".", "-", "*")[generator.integers(5)].join(word)


def replaced(word: str, generator: np.random.Generator) -> str:
    """1d10t."""
    return "".join(
        letter if (looks := LOOKALIKES.get(letter.lower())) is None else looks[generator.integers(len(looks))]
        for letter in word
    )


def starred(word: str, generator: np.random.Generator) -> str:
    """id**t."""
    inner = generator.permutation(np.arange(1, len(word) - 1))[: max(1, len(word) // 3)]
    return "".join("*" if i in inner else letter for i, letter in enumerate(word))


def doubled(word: str, generator: np.random.Generator) -> str:
    """idiiiot."""
    at = int(generator.integers(1, len(word)))
    return word[:at] + word[at] * int(generator.integers(1, 4)) + word[at:]


def swapped(word: str, generator: np.random.Generator) -> str:
    """idoit."""
    at = int(generator.integers(1, len(word) - 1))
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def shortened(word: str, generator: np.random.Generator) -> str:
    """idot."""
    at = int(generator.integers(1, len(word)))
    return word[:at] + word[at + 1 :]


DISGUISES: tuple[Disguise, ...] = (spaced, spaced, replaced, replaced, starred, doubled, swapped, shortened)
"""Each as likely as it is often here."""
