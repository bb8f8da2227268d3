"""Texts as they are looked for: letters without case, accents and other ways to write the same."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections import defaultdict

MARKS = "[\u0300-\u0333\u0339-\u036f]"
"""Accents. The overlays between them make other signs (≠ is = with one); marks of other scripts are not here."""

ENDS = {"contains": ("", ""), "starts_with": (f"^{MARKS}*", ""), "ends_with": ("", "$")}
VARIED = ((0x80, 0x3000), (0xF900, 0xFB00), (0x2F800, 0x2FA20))
"""Where all characters are that are another one with accents, in a third case or by another code."""


def fold(text: str) -> str:
    """The text composed, in lower case, a final sigma like any other, without the accents of Latin, Greek and
    Cyrillic. Vowel signs, points and tones of other scripts stay: without them words there are other words."""
    if text.isascii():
        return text.lower()
    bare = re.sub(MARKS, "", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", bare.lower()).replace("ς", "σ")


def pattern(how: str, folded: str) -> str:
    """A regular expression, for both databases, of the texts that contain, start with or end with `folded` when folded.
    They must be composed (NFC) first if it `needs_composing`."""
    before, after = ENDS[how]
    return f"{before}{''.join(map(_spellings, folded))}{after}"


def needs_composing(folded: str) -> bool:
    """Whether a text may have these letters in several parts that are not accents, as in Hangul."""
    decomposed = unicodedata.normalize("NFD", folded)
    return decomposed != folded or any(unicodedata.category(char).startswith("M") for char in folded)


@functools.cache
def _spellings(char: str) -> str:
    """All ways to write a folded character."""
    cases = {item for item in (char, char.upper(), char.title()) if len(item) == 1 and fold(item) == char}
    ways = sorted(cases | _accented()[char])
    return (f"[{''.join(ways)}]" if len(ways) > 1 else re.sub(r"[\\.^$*+?()\[\]{}|]", r"\\\g<0>", char)) + f"{MARKS}*"


@functools.cache
def _accented() -> defaultdict[str, set[str]]:
    """Folded character -> the others beyond ASCII that fold to it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for char in map(chr, itertools.chain.from_iterable(range(*block) for block in VARIED)):
        found[fold(char)].add(char)
    return found
