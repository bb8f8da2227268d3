"""How pages write counts, the minus sign and the text of tokens; files and exports keep the plain characters."""

from __future__ import annotations

import re

MINUS = "−"
DASH = "–"


def true_minus(number: str) -> str:
    """A formatted number with a minus sign in place of the hyphen, except in an exponent."""
    return re.sub("(?<!e)-", MINUS, number)


def plural(count: int, word: str, several: str = "") -> str:
    """1 run, 2 runs, 1,204 queries (`several`: the plural where it is more than an s)."""
    return f"{count:,} {word if count == 1 else several or f'{word}s'}"


def shape(n_layers: int, n_heads: int) -> str:
    """Of a model: 12 layers × 1 head."""
    return f"{plural(n_layers, 'layer')} × {plural(n_heads, 'head')}"
