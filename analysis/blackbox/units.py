"""Cutting a prompt into parts that can be taken out, without knowing the model's own tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.sentences import Span, sentence_spans
from headscope.analysis.types import TokenizedText

Bools = NDArray[np.bool_]
PATTERNS = {
    "token": re.compile(r"\s*(?:\w+|[^\w\s])"),
    "word": re.compile(r"\s*\S+"),
}
KINDS = (*PATTERNS, "sentence")
BLANK = "___"


def spans(text: str, kind: str) -> list[Span]:
    """Half-open character spans that cover `text`: each part with the space before it, the last with what follows."""
    if kind == "sentence":
        return sentence_spans(text)
    found = [match.span() for match in PATTERNS[kind].finditer(text)]
    if not found:
        return [(0, len(text))] if text else []
    starts = [0, *(start for start, _ in found[1:])]
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


def rebuilt(text: str, parts: Sequence[Span], keep: Bools, stand_ins: Sequence[str | None]) -> str:
    """The prompt with the parts where `keep` `[part]` is False replaced by what stands in for them.

    Nothing left is asked as one line break: most servers refuse an empty prompt.
    """
    pieces = [
        text[start:end] if kept else stand_in or ""
        for (start, end), kept, stand_in in zip(parts, keep, stand_ins, strict=True)
    ]
    whole = "".join(pieces)
    if not text[:1].isspace():
        whole = whole.lstrip()
    return whole or "\n"


def tokenized(text: str, kind: str) -> TokenizedText:
    """The parts as tokens of a run; their ids are -1, because the model's own are not known."""
    cut = spans(text, kind)
    words = [match.start() for match in re.finditer(r"\S+", text)] or [0]
    first = [start + len(text[start:end]) - len(text[start:end].lstrip()) for start, end in cut]
    return TokenizedText(
        text,
        np.full(len(cut), -1, dtype=np.int32),
        tuple(text[start:end] for start, end in cut),
        np.array(cut, dtype=np.int32).reshape(-1, 2),
        np.maximum(np.searchsorted(words, first, side="right") - 1, 0).astype(np.int32),
        np.zeros(len(cut), dtype=np.bool_),
    )
