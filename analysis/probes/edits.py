"""Edits that should change nothing: what a careful reader would not even notice."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LONG_WORD = re.compile(r"[A-Za-z]{5,}")


def harmless_edits(text: str) -> dict[str, str]:
    """Name of the edit -> the edited text; edits that leave this text as it is are left out.

    typo: two letters in the middle of the longest word exchanged. lower case, upper case: of the first letter, the
    other one. double space: after the first word. No edit touches the end, where the next token is predicted.
    """
    return {name: edited for name, edited in _edits(text) if edited != text}


def _edits(text: str) -> Iterator[tuple[str, str]]:
    words = sorted(_LONG_WORD.finditer(text), key=lambda match: (-len(match.group()), match.start()))
    inner = [match for match in words if match.end() < len(text)]
    if inner:
        middle = inner[0].start() + len(inner[0].group()) // 2
        yield "typo", text[: middle - 1] + text[middle] + text[middle - 1] + text[middle + 1 :]
    start = len(text) - len(text.lstrip())
    if start < len(text):
        first = text[start]
        yield "first letter's case", text[:start] + first.swapcase() + text[start + 1 :]
    gap = text.find(" ", start + 1)
    if 0 < gap < len(text) - 1:
        yield "double space", text[:gap] + " " + text[gap:]
    if not text[:1].isspace():
        yield "leading space", " " + text
