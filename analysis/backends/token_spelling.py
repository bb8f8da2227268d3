"""How tokens of a vocabulary that is neither byte-level nor sentencepiece are spelled: by the tokenizer's own decoder.

WordPiece joins on `##`, some BPE marks a word's end, a list of words marks nothing: the decoder knows, but only for
tokens in company. So a token is decoded behind an ordinary word, and what it adds is its spelling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

_TRIED = 2000


class OwnDecoder:
    """Spellings by the decoder of a `tokenizers.Tokenizer`."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def alone(self, token_id: int) -> str:
        """What the token adds to a text that ends with a word; where the decoder marks the end of a word by a space
        behind it (`</w>`), with that space."""
        if self._backend.id_to_token(token_id) is None:
            return ""
        if self._word is None:
            return self._decoded([token_id])
        word, text = self._word
        if self._ends_words:
            behind = self._decoded([token_id, word])
            return behind.removesuffix(text)
        return self._decoded([word, token_id]).removeprefix(text)

    def together(self, ids: Sequence[int], before: int | None = None) -> tuple[str, tuple[str, ...]]:
        """The text of consecutive tokens, behind the token `before`, and each token's part of it."""
        first = [] if before is None else [before]
        start = self._decoded(first)
        whole = self._decoded([*first, *ids])
        cuts = [min(len(start), len(whole))]
        for end in range(1, len(ids) + 1):
            cuts.append(max(cuts[-1], _common(self._decoded([*first, *ids[:end]]), whole)))
        cuts[-1] = len(whole)
        return whole[cuts[0] :], tuple(whole[cuts[k] : cuts[k + 1]] for k in range(len(ids)))

    @cached_property
    def _word(self) -> tuple[int, str] | None:
        """A token that is a word by itself, and its text."""
        for token_id in range(min(_TRIED, self._backend.get_vocab_size())):
            text = self._decoded([token_id])
            if text.isalpha() and self._decoded([token_id, token_id]) == f"{text} {text}":
                return token_id, text
        return None

    @cached_property
    def _ends_words(self) -> bool:
        return "BPEDecoder" in repr(self._backend.decoder)

    def _decoded(self, ids: Sequence[int]) -> str:
        text: str = self._backend.decode(list(ids), skip_special_tokens=False) if ids else ""
        return text


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with together."""
    return next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
