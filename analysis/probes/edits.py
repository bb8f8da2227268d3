"""Edits that should change nothing: what a careful reader would not even notice."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LONG_WORD = re.compile(r"[A-Za-z]{5,}")
_CONTRACTED = re.compile(r"\b(?:(is|are|was|were|does|did|has|have) not|(What|Who|Where) is)\b(?!\s*$)")
_OPENINGS = {"polite opening": "Please answer this. ", "plain opening": "Here is a question for you. "}
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_SPELT = "|".join(word for word in _NUMBERS if word != "one")  # which is no number in "no one"
_NUMBER = re.compile(rf"(?<![\w.,-])(?:\d{{1,2}}|{_SPELT})\b(?![.,-]?\w|\s*$)")


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


def surface_changes(text: str) -> dict[str, str]:
    """Name of the change -> the question in other words, made by rule: an opening sentence (polite, plain), the first
    contraction ("is not" as "isn't", "What is" as "What's"), the first whole number up to twelve as a word or as
    digits. Those that do not apply are left out, and none touches the end. Other than `harmless_edits` a reader sees
    them, and they ask the same.
    """
    changed = {name: opening + text.lstrip() for name, opening in _OPENINGS.items()}
    changed["contraction"] = _CONTRACTED.sub(_contracted, text, count=1)
    changed["number"] = _NUMBER.sub(_respelt, text, count=1)
    return {name: other for name, other in changed.items() if other != text and text.strip()}


def _contracted(found: re.Match[str]) -> str:
    return f"{found[1]}n't" if found[1] else f"{found[2]}'s"


def _respelt(found: re.Match[str]) -> str:
    if not found[0].isdecimal():
        return str(_NUMBERS.index(found[0]))
    number = int(found[0])
    return _NUMBERS[number] if number < len(_NUMBERS) and str(number) == found[0] else found[0]
