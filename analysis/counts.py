"""How counts are written."""

from __future__ import annotations


def plural(count: int, word: str, several: str = "") -> str:
    """1 run, 2 runs, 1,204 queries (`several`: the plural where it is more than an s)."""
    return f"{count:,} {word if count == 1 else several or f'{word}s'}"
