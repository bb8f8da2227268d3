"""Whether two texts are worded alike."""

from __future__ import annotations

import re


def words_of(text: str) -> list[str]:
    """Its words, in small letters."""
    return re.findall(r"[\w'’]+", text.lower())


def in_a_row(text: str, n: int = 5) -> set[tuple[str, ...]]:
    """Every `n` words that follow one another."""
    words = words_of(text)
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
