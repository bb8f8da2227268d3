"""Where sentences begin and end, by rules simple enough to say: no model, no torch.

A sentence ends after a full stop, question or exclamation mark (with the marks and closing quotes or brackets that
follow it) when white space or the end comes next, and at a line break. It does not end when the next letter is a small
one, nor at the full stop of an abbreviation in `ABBREVIATIONS` or of a single capital letter (J. Smith). The marks of
Chinese and Japanese end one whatever follows. The space between two sentences belongs to the second. Wrong for "Born in
the U.S. He left" and for prose wrapped into lines.
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from headscope.analysis.types import Int32, TokenizedText

Span = tuple[int, int]
ABBREVIATIONS = frozenset({
    "mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "rev", "hon", "gen", "col", "capt", "lt", "sgt",
    "vs", "etc", "e.g", "i.e", "cf", "fig", "vol", "pp", "approx", "inc", "ltd", "co",
})  # fmt: skip
_CLOSING = r"[\"'”’»)\]]*"
_END = re.compile(rf"[.!?]+{_CLOSING}(?=\s|$)|[。！？]+[”’」』）]*|\n+")
_WORD = re.compile(r"[\w.]*$")


def sentence_spans(text: str) -> list[Span]:
    """Half-open character spans that cover `text`: each sentence with the space before it, the last with what follows;
    none of an empty text."""
    ends = [found.end() for found in _END.finditer(text) if text[: found.start()].strip() and _ends(text, found)]
    starts = [0]
    for end in ends:
        if text[starts[-1] : end].strip() and text[end:].strip():
            starts.append(end)
    return list(zip(starts, [*starts[1:], len(text)], strict=True)) if text else []


def _ends(text: str, found: re.Match[str]) -> bool:
    mark, rest = found[0], text[found.end() :].lstrip(" \t")
    if mark[0] not in ".!?":
        return True
    if rest[:1].islower():
        return False
    before = _WORD.search(text[max(0, found.start() - 12) : found.start()])
    word = before[0] if before else ""
    initial = len(word) == 1 and word.isupper() and word != "I"
    return not (mark == "." and (initial or word.lower() in ABBREVIATIONS))


def sentences_of(text: TokenizedText) -> Int32:
    """The sentence each token belongs to, int32 `[T]`, from 0: that of the first visible character of its word, so that
    no word lies in two."""
    starts = np.array([start for start, _ in sentence_spans(text.text)], dtype=np.int32)
    found = np.zeros(len(text), dtype=np.int32)
    borders = np.flatnonzero(np.diff(text.words, prepend=-1, append=-1)).tolist()
    for first, end in pairwise(borders):
        at = int(text.char_spans[first, 0])
        piece = text.text[at : int(text.char_spans[end - 1, 1])]
        at += len(piece) - len(piece.lstrip()) if piece.strip() else 0
        found[first:end] = max(0, int(np.searchsorted(starts, at, side="right")) - 1)
    kept: Int32 = np.maximum.accumulate(found)
    return kept
