"""Many runs at once: runs down, the words of the first run across, one number per cell, aligned across tokenizers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.alignment import Range
from headscope.analysis.statistics.confidence import lock_in
from headscope.analysis.statistics.divergence import Bounds, js_bounds
from headscope.analysis.types import LensTable, TokenTrace
from headscope.dashboard.pages.compare.numbers import Unit, surprisal_bits, units

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Across:
    """Values float64 `[run, word]`, NaN where a run lacks the word or it was not measured. `words`: those of the first
    run. Values that are lower bounds have `bounds`: what a cell is at most, and the share known on both sides."""

    values: Floats
    bounds: tuple[Floats, Floats] | None
    words: tuple[str, ...]
    runs: tuple[str, ...]
    measure: str
    unit: str
    signed: bool


def word_ranges(reference: TokenTrace) -> tuple[list[Range], tuple[str, ...]]:
    """Token ranges of the reference's words, half-open, and their texts."""
    words = reference.tokens.words
    starts = np.flatnonzero(np.r_[True, words[1:] != words[:-1]]) if len(words) else np.empty(0, dtype=np.intp)
    ends = np.r_[starts[1:], len(words)] if len(starts) else starts
    ranges = [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]
    return ranges, tuple("".join(reference.tokens.texts[start:end]) for start, end in ranges)


def matched(reference: TokenTrace, other: TokenTrace, ranges: Sequence[Range]) -> list[Range]:
    """Of each word of the reference the tokens of `other` that cover it; empty (0, 0) where it has none, or where its
    tokens are cut so that they cover part of a neighbour as well."""
    pieces = units(reference.tokens, other.tokens)
    starts, ends = [unit.a[0] for unit in pieces], [unit.a[1] for unit in pieces]
    # units that end after the word's start, up to those that start before its end
    return [
        _within(pieces[bisect_right(ends, start) : bisect_left(starts, end)], (start, end)) for start, end in ranges
    ]


def _within(pieces: Sequence[Unit], span: Range) -> Range:
    """Tokens of the other side for the token range `span`, of the units that overlap it."""
    if not pieces or pieces[0].a[0] < span[0] or pieces[-1].a[1] > span[1]:
        return 0, 0
    parts = [unit.b for unit in pieces]
    if any(end == start for start, end in parts):
        return 0, 0
    return parts[0][0], parts[-1][1]


def surprisals(traces: Sequence[TokenTrace], ranges: Sequence[Sequence[Range]]) -> Floats:
    """float64 `[run, word]`, bits: the sum over the tokens of the word."""
    rows = [surprisal_bits(trace.logprobs, own) for trace, own in zip(traces, ranges, strict=True)]
    return np.stack(rows)


def settled(lens: LensTable | None, n_tokens: int, ranges: Sequence[Range]) -> Floats:
    """float64 `[word]`: after which share of the layers the top token of the logit lens behind the word is the last
    layer's and stays it: 1 / layers where it always is, 1 where only the last layer has it. NaN without the lens."""
    found = np.full(len(ranges), np.nan)
    if lens is None or lens.top_ids.shape[1:] != (n_tokens,):
        return found
    depth = len(lens.top_ids)
    layer = [lock_in(np.where(ids == ids[-1], 1, 2).astype(np.float64)) + 1 for ids in lens.top_ids.T]
    for place, (start, end) in enumerate(ranges):
        if end > start:
            found[place] = layer[end - 1] / depth
    return found


def moved(values: Floats) -> Floats:
    """float64 `[run]` from `[run, word]`: half the sum of absolute differences from the first run over the words that
    both have (of shares of one: the share that moved); NaN without any."""
    apart = np.abs(values - values[0])
    known = np.isfinite(apart).any(1)
    return np.where(known, np.nansum(apart, axis=1) / 2, np.nan)


def divergences(
    traces: Sequence[TokenTrace], ranges: Sequence[Sequence[Range]], by_id: Sequence[bool]
) -> tuple[Floats, Floats, Floats]:
    """Divergence of what each run expects after each word from what the first one expects: lower bounds and upper
    bounds (bits), and the share known on both sides, each `[run, word]`. `by_id`: whether a run's token ids mean what
    the first one's do; else texts are compared."""
    found = [
        [
            _bounds(traces[0], first, trace, own, by_id[n])
            for first, own in zip(ranges[0], ranges[n], strict=True)
        ]
        for n, trace in enumerate(traces)
    ]  # fmt: skip
    low, high, shared = (
        np.array([[getattr(one, name) for one in row] for row in found], dtype=np.float64)
        for name in ("low", "high", "shared")
    )
    return low, high, shared


def _bounds(reference: TokenTrace, first: Range, trace: TokenTrace, own: Range, by_id: bool) -> Bounds:
    if own[1] == own[0] or first[1] == first[0]:
        return js_bounds({}, {})
    return js_bounds(_expected(reference, first[1] - 1, by_id), _expected(trace, own[1] - 1, by_id))


def _expected(trace: TokenTrace, row: int, by_id: bool) -> dict[int | str, float]:
    """Stored candidates after token `row`; those that read the same are added up when they go by their text."""
    keys = trace.topk_ids[row].tolist() if by_id else trace.topk_texts[row]
    found: dict[int | str, float] = {}
    for key, logprob in zip(keys, trace.topk_logprobs[row].tolist(), strict=True):
        if np.isfinite(logprob):
            found[key] = found.get(key, 0.0) + float(np.exp(logprob))
    return found
