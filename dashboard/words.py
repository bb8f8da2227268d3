"""How pages write counts, the minus sign and the text of tokens; files and exports keep the plain characters."""

from __future__ import annotations

import re

from headscope.analysis import counts

MINUS = "−"
DASH = "–"
plural = counts.plural


def true_minus(number: str) -> str:
    """A formatted number with a minus sign in place of the hyphen, except in an exponent."""
    return re.sub("(?<!e)-", MINUS, number)


def shape(n_layers: int, n_heads: int) -> str:
    """Of a model: 12 layers × 1 head."""
    return f"{plural(n_layers, 'layer')} × {plural(n_heads, 'head')}"
