"""A generated text with the prompt before it: the columns of a target x source matrix, by token and by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headscope.analysis.alignment import token_words
from headscope.analysis.types import Attribution, Continuation, TokenizedText
from headscope.dashboard.pages.run.tokens import runs_of


@dataclass(frozen=True, slots=True)
class Column:
    """Tokens `[index, index + count)` of prompt and continuation; `generated`: after the prompt."""

    index: int
    count: int
    text: str
    generated: bool


@dataclass(frozen=True, slots=True)
class SourcesView:
    """Columns by token and by word, the number of tokens of the prompt, and of every generated token its
    log-probability (nats). A word that begins in the prompt and ends after it is two columns."""

    tokens: tuple[Column, ...]
    words: tuple[Column, ...]
    n_prompt: int
    logprobs: tuple[float, ...]


def sources_view(prompt: TokenizedText, continuation: Continuation) -> SourcesView:
    """The columns of a run that explains its continuation."""
    texts = (*prompt.texts, *continuation.texts)
    return SourcesView(
        tokens=tuple(_column(texts, len(prompt), start, 1) for start in range(len(texts))),
        words=tuple(_column(texts, len(prompt), start, count) for start, count in word_groups(prompt, continuation)),
        n_prompt=len(prompt),
        logprobs=tuple(continuation.logprobs.tolist()),
    )


def of_continuation(attributions: Sequence[Attribution]) -> bool:
    """Whether the attributions explain every generated token, not the next token alone."""
    return any(item.axes[0] == "target_position" for item in attributions)


def word_starts(
    prompt: TokenizedText, continuation: Continuation | None, attributions: Sequence[Attribution]
) -> list[int]:
    """The first token of every word of what the attributions are over: the prompt, or prompt and continuation."""
    if continuation is not None and of_continuation(attributions):
        return [start for start, _ in word_groups(prompt, continuation)]
    return [start for start, _ in runs_of(prompt.words)]


def word_groups(prompt: TokenizedText, continuation: Continuation) -> list[tuple[int, int]]:
    """(first token, number of tokens) of every word of prompt and continuation; none crosses the border."""
    ends = len(prompt.text) + np.cumsum([len(text) for text in continuation.texts], dtype=np.int32)
    starts = np.r_[len(prompt.text), ends[:-1]].astype(np.int32) if len(ends) else ends
    spans = np.concatenate([prompt.char_spans, np.stack([starts, ends], axis=-1)]).astype(np.int32)
    special = [*prompt.special.tolist(), *(False for _ in continuation.texts)]
    words = token_words(prompt.text + "".join(continuation.texts), spans, special).copy()
    words[len(prompt) :] += 1
    return runs_of(words)


def _column(texts: tuple[str, ...], n_prompt: int, start: int, count: int) -> Column:
    return Column(start, count, "".join(texts[start : start + count]), start >= n_prompt)
