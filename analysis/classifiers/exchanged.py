"""A text with its group word exchanged for the other ones of the card's audit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

from headscope.analysis.classifiers.card import card


def groups() -> tuple[str, ...]:
    """The group words of the audit, in the order of the alphabet."""
    return tuple(sorted((line["group"] for line in card().identity_swaps), key=str.casefold))


def exchanged(text: str, among: Sequence[str]) -> tuple[str, Mapping[str, str]]:
    """The first of the words `among` that stands in the text as a whole word, as it is written there, and by each other
    word the text with it in every place of that one; ("", {}) where none stands in it.

    Of words that begin at the same place the longest counts. A capital at the beginning stays one.
    """
    words = sorted(among, key=len, reverse=True)
    found = re.search(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", text, re.IGNORECASE)
    if found is None:
        return "", {}
    place = re.compile(rf"(?<!\w){re.escape(found[0])}(?!\w)", re.IGNORECASE)
    others = [word for word in among if word.casefold() != found[0].casefold()]
    return found[0], {word: place.sub(partial(_cased, word), text) for word in others}


def _cased(word: str, there: re.Match[str]) -> str:
    return word[0].upper() + word[1:] if there[0][0].isupper() else word
