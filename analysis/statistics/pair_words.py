"""What the texts of a pair share, and the words in which they differ."""

from __future__ import annotations

import re
from collections.abc import Sequence

ARTICLES = frozenset({"a", "an", "the"})
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def template_of(texts: Sequence[str]) -> str:
    """What the texts have in common at their start and end, whole words only: `The ... came home late because`."""
    words = [text.split(" ") for text in texts]
    start, end = _ends(words)
    middle = [] if all(len(item) == start + end for item in words) else ["…"]
    return " ".join([*words[0][:start], *middle, *words[0][len(words[0]) - end :]])


def filler_of(texts: Sequence[str]) -> str:
    """The words in which the texts differ, the same wherever they stand: without case, punctuation and articles.

    >>> filler_of(["An old man spoke.", "A young man spoke."])
    'old / young'
    """
    words = [text.split(" ") for text in texts]
    if len({len(item) for item in words}) == 1:
        columns = [column for column in zip(*words, strict=True) if len(set(column)) > 1]
        parts: list[Sequence[str]] = list(zip(*columns, strict=True)) if columns else [() for _ in words]
    else:
        start, end = _ends(words)
        parts = [item[start : len(item) - end] for item in words]
    return " / ".join(_plain(part) for part in parts)


def _plain(part: Sequence[str]) -> str:
    found = (word for word in _WORD.findall(" ".join(part).casefold()) if word not in ARTICLES)
    return " ".join(dict.fromkeys(found))


def _ends(words: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many words all texts begin and end with."""
    first, shortest = words[0], min(map(len, words))
    start = 0
    while start < shortest and all(item[start] == first[start] for item in words):
        start += 1
    end = 0
    while end < shortest - start and all(item[-1 - end] == first[-1 - end] for item in words):
        end += 1
    return start, end
