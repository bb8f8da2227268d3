"""A generated text with the prompt before it: the columns of a target x source matrix, by token, word and sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headscope.analysis.alignment import token_words
from headscope.analysis.sentences import sentences_of
from headscope.analysis.types import Attribution, Continuation, Int32, TokenizedText
from headscope.dashboard.pages.run.tokens import Grain, runs_of


@dataclass(frozen=True, slots=True)
class Column:
    """Tokens `[index, index + count)` of prompt and continuation; `generated`: after the prompt."""

    index: int
    count: int
    text: str
    generated: bool


@dataclass(frozen=True, slots=True)
class SourcesView:
    """Columns by token, word and sentence, the number of tokens of the prompt, and of every generated token its
    log-probability (nats). What begins in the prompt and ends after it is two columns."""

    tokens: tuple[Column, ...]
    words: tuple[Column, ...]
    sentences: tuple[Column, ...]
    n_prompt: int
    logprobs: tuple[float, ...]


def sources_view(prompt: TokenizedText, continuation: Continuation) -> SourcesView:
    """The columns of a run that explains its continuation."""
    texts, whole = (*prompt.texts, *continuation.texts), _whole(prompt, continuation)

    def columns(labels: Int32) -> tuple[Column, ...]:
        return tuple(_column(texts, len(prompt), start, count) for start, count in _cut(labels, len(prompt)))

    return SourcesView(
        tokens=columns(np.arange(len(texts), dtype=np.int32)),
        words=columns(whole.words),
        sentences=columns(sentences_of(whole)),
        n_prompt=len(prompt),
        logprobs=tuple(continuation.logprobs.tolist()),
    )


def of_continuation(attributions: Sequence[Attribution]) -> bool:
    """Whether the attributions explain every generated token, not the next token alone."""
    return any(item.axes[0] == "target_position" for item in attributions)


def group_starts(
    prompt: TokenizedText, continuation: Continuation | None, attributions: Sequence[Attribution]
) -> dict[Grain, list[int]]:
    """The first token of every word and of every sentence of what the attributions are over: the prompt, or prompt and
    continuation."""
    if continuation is not None and of_continuation(attributions):
        text, border = _whole(prompt, continuation), len(prompt)
    else:
        text, border = prompt, 0
    labels: dict[Grain, Int32] = {"word": text.words, "sentence": sentences_of(text)}
    return {grain: [start for start, _ in _cut(found, border)] for grain, found in labels.items()}


def _whole(prompt: TokenizedText, continuation: Continuation) -> TokenizedText:
    """Prompt and continuation as one text."""
    ends = len(prompt.text) + np.cumsum([len(text) for text in continuation.texts], dtype=np.int32)
    starts = np.r_[len(prompt.text), ends[:-1]].astype(np.int32) if len(ends) else ends
    spans = np.concatenate([prompt.char_spans, np.stack([starts, ends], axis=-1)]).astype(np.int32)
    special = np.r_[prompt.special, np.zeros(len(continuation.texts), dtype=np.bool_)]
    text = prompt.text + "".join(continuation.texts)
    words = token_words(text, spans, special.tolist())
    ids = np.r_[prompt.ids, continuation.ids].astype(np.int32)
    return TokenizedText(text, ids, (*prompt.texts, *continuation.texts), spans, words, special)


def _cut(labels: Int32, border: int) -> list[tuple[int, int]]:
    """(first token, number of tokens) of every run of equal labels; none crosses the border, 0 for none."""
    apart = labels.copy()
    if border:
        apart[border:] += 1
    return runs_of(apart)


def _column(texts: tuple[str, ...], n_prompt: int, start: int, count: int) -> Column:
    return Column(start, count, "".join(texts[start : start + count]), start >= n_prompt)
