"""Where sentences begin and end, by rules simple enough to say: no model, no torch.

A sentence ends after a full stop, question or exclamation mark (with the marks and closing quotes or brackets that
follow it) when white space or the end comes next, and at a line break. It does not end when the next letter is a small
one, nor at the full stop of an abbreviation in `ABBREVIATIONS` or of a single capital letter (J. Smith). The marks of
Chinese and Japanese end one whatever follows. The space between two sentences belongs to the second. Wrong for "Born in
the U.S. He left" and for prose wrapped into lines.
"""

from __future__ import annotations

import re

import numpy as np

from headscope.analysis.types import Int32, TokenizedText

Span = tuple[int, int]
ABBREVIATIONS = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "st",
        "sr",
        "jr",
        "vs",
        "etc",
        "e.g",
        "i.e",
        "cf",
        "fig",
        "vol",
        "pp",
        "approx",
        "inc",
        "ltd",
        "co",
        "gen",
        "col",
        "capt",
        "lt",
        "sgt",
        "rev",
        "hon",
    ]
)
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
    """The sentence each token belongs to, int32 `[T]`, from 0: that in which its word begins, so that no word lies in
    two."""
    starts = np.array([start for start, _ in sentence_spans(text.text)], dtype=np.int32)
    found = np.zeros(len(text), dtype=np.int32)
    word = -1
    for token, (start, end) in enumerate(text.char_spans.tolist()):
        if token and text.words[token] == word:
            found[token] = found[token - 1]
            continue
        word = int(text.words[token])
        piece = text.text[start:end]
        first = start + len(piece) - len(piece.lstrip()) if piece.strip() else start
        found[token] = max(0, int(np.searchsorted(starts, first, side="right")) - 1)
    kept: Int32 = np.maximum.accumulate(found)
    return kept
