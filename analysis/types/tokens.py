"""A text as a model reads it, and how expected each token was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types.values import Float32, Int32


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text and its tokens, aligned to characters.

    ids: int32 `[T]`, -1 of a model behind an API. texts: the exact characters of each token, `text[start:end]`: a
    character that byte-level BPE splits over several tokens belongs to the first, the others have an empty span.
    char_spans: int32 `[T, 2]`, half-open, in characters of `text`; in order, without gaps or overlaps, covering `text`.
    words: int32 `[T]`, index of the word each token belongs to, from 0. special: bool `[T]`, a special token.
    given: how many of the last tokens are given and not explained: methods leave them as they are.
    """

    text: str
    ids: Int32
    texts: tuple[str, ...]
    char_spans: Int32
    words: Int32
    special: NDArray[np.bool_]
    given: int = 0

    def __len__(self) -> int:
        return len(self.ids)


def token_key(token_id: int, text: str) -> int | str:
    """What tells the tokens of one vocabulary apart: the id, or the text of a token whose id is not known (-1)."""
    return token_id if token_id >= 0 else text


def first_tokens(text: TokenizedText, count: int) -> TokenizedText:
    """The first `count` tokens as a text of their own."""
    end = int(text.char_spans[count - 1, 1])
    return TokenizedText(
        text.text[:end],
        text.ids[:count],
        text.texts[:count],
        text.char_spans[:count],
        text.words[:count],
        text.special[:count],
    )


@dataclass(frozen=True, slots=True)
class TokenTrace:
    """What the model read and expected.

    logprobs: float32 `[T]`, log-probability (nats) of token t given the tokens before it; NaN for the first.
    ranks: int32 `[T]`, 1 = the most likely; -1 for the first. entropies: float32 `[T]`, entropy (nats) of the
    distribution that predicted token t; NaN for the first. next_entropy: of the distribution after the whole prompt.
    topk_ids: int32 `[T, k]`, topk_logprobs: float32 `[T, k]`, topk_texts `[T][k]`: row t are the candidates for what
    FOLLOWS token t, so row T-1 holds the next-token candidates.
    """

    tokens: TokenizedText
    logprobs: Float32
    ranks: Int32
    entropies: Float32
    topk_ids: Int32
    topk_logprobs: Float32
    topk_texts: tuple[tuple[str, ...], ...]
    next_entropy: float
