"""How pages write counts, the minus sign and the text of tokens; files and exports keep the plain characters."""

from __future__ import annotations

import re

MINUS = "−"
DASH = "–"
_SIGNS = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"})


def true_minus(number: str) -> str:
    """A formatted number with a minus sign in place of the hyphen, except in an exponent."""
    return re.sub("(?<!e)-", MINUS, number)


def plural(count: int, word: str, several: str = "") -> str:
    """1 run, 2 runs, 1,204 queries (`several`: the plural where it is more than an s)."""
    return f"{count:,} {word if count == 1 else several or f'{word}s'}"


def shape(n_layers: int, n_heads: int) -> str:
    """Of a model: 12 layers × 1 head."""
    return f"{plural(n_layers, 'layer')} × {plural(n_heads, 'head')}"


def visible(token: str | None) -> str:
    """A token with its white space to be seen; a dash for none."""
    return DASH if token is None else token.translate(_SIGNS)


def quoted(token: str, most: int = 0) -> str:
    """A token in quotes with its white space to be seen, “␣Paris”; one without text of its own is said. most: longer
    ones are cut; 0: never."""
    shown = visible(token) if not most or len(token) <= most else f"{visible(token[: most - 1])}…"
    return f"“{shown}”" if token else "(rest of the character before)"
