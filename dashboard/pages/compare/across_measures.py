"""What all runs of a comparison are compared in: one number for every run and word of the first, by measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.alignment import Range
from headscope.analysis.attribution.results import position_scores, word_rule
from headscope.analysis.types import TokenTrace
from headscope.dashboard.pages.compare.across_numbers import (
    Across,
    divergences,
    matched,
    settled,
    surprisals,
    word_ranges,
)
from headscope.dashboard.pages.compare.facts import Tokenizers, tokenizers
from headscope.dashboard.pages.compare.numbers import group_scores, group_sums, shares
from headscope.dashboard.pages.compare.pair import attribution
from headscope.dashboard.pages.compare.query import CompareQuery, letter
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.compare.surprisal import SPACES
from headscope.dashboard.text import short
from headscope.dashboard.units import per_bit
from headscope.storage.rows import RunDetail

Floats = NDArray[np.float64]
MEASURES = {
    "divergence": "What comes next",
    "surprisal": "Surprisal",
    "attribution": "Attribution",
    "attention": "Attention",
    "lens": "Logit lens",
}


@dataclass(frozen=True, slots=True)
class Many:
    """The runs that have a trace, with their letters, and the words of the first with each run's tokens for them."""

    runs: tuple[RunDetail, ...]
    traces: tuple[TokenTrace, ...]
    names: tuple[str, ...]
    words: tuple[str, ...]
    ranges: tuple[tuple[Range, ...], ...]


def aligned_runs(runs: Sequence[RunDetail]) -> Many | None:
    """The runs that have a trace on the words of the first of them; None where none has."""
    kept = [(letter(i), run, run.trace) for i, run in enumerate(runs) if run.trace is not None]
    if not kept:
        return None
    traces = tuple(trace for _, _, trace in kept)
    spans, words = word_ranges(traces[0])
    ranges = tuple(
        tuple(spans) if i == 0 else tuple(matched(traces[0], trace, spans)) for i, trace in enumerate(traces)
    )
    names = tuple(f"{name}  {short(run.model.ref.name, 22)}" for name, run, _ in kept)
    return Many(tuple(run for _, run, _ in kept), traces, names, words, ranges)


def methods_of(runs: Sequence[RunDetail]) -> list[str]:
    """Methods with a score per token of any run, in the order they are met."""
    return list(
        dict.fromkeys(item.method for run in runs for item in run.attributions if position_scores(item) is not None)
    )


def measured(reader: RecentRuns, query: CompareQuery, many: Many) -> tuple[Across, list[str]]:
    """The measure of the link (`across`), and sentences about it."""
    if query.across == "divergence":
        return _divergence(many)
    values, unit, signed, said = MEASURERS[query.across](reader, query, many)
    if query.minus:
        values, signed = values - values[0], True
        said = [*said, "Each row minus that of A."]
    return Across(values, None, many.words, many.names, query.across, unit, signed), said


MATCHED_BY_TEXT: dict[Tokenizers, str] = {
    "different": "Where tokenizers differ, next tokens are matched by their text: a word cut elsewhere counts as "
    "another outcome.",
    "unknown": "Next tokens of a model behind an API are matched by their text, because their ids are not known; and "
    "only what follows the whole text is told.",
}


def _divergence(many: Many) -> tuple[Across, list[str]]:
    kinds = [tokenizers(many.runs[0], run) for run in many.runs]
    values, high, shared = divergences(many.traces, many.ranges, [kind == "same" for kind in kinds])
    said = [
        "Jensen–Shannon divergence (bits: 0 the same, 1 nothing in common) between what a run and what A expect after "
        f"the word. The {len(many.traces[0].topk_texts[0])} likeliest tokens of each are stored, so it is at least "
        "this much; point at a cell for what it is at most."
    ]
    said += [MATCHED_BY_TEXT[kind] for kind in MATCHED_BY_TEXT if kind in kinds]
    return Across(values, (high, shared), many.words, many.names, "divergence", "bits", False), said


WORDS = {"sum": "added up over its tokens", "norm": "the norm of its gradient", "largest": "its largest token"}
Measured = tuple[Floats, str, bool, list[str]]


def _surprisal(reader: RecentRuns, query: CompareQuery, many: Many) -> Measured:
    values = surprisals(many.traces, many.ranges) * per_bit(query.unit)
    said = ["How unexpected each word was: the sum over its tokens."]
    if any(tokenizers(many.runs[0], run) == "different" for run in many.runs):
        said.append(SPACES)
    return values, query.unit, False, said


def _attribution(reader: RecentRuns, query: CompareQuery, many: Many) -> Measured:
    names = methods_of(many.runs)
    method = query.method if query.method in names else next(iter(names), "")
    found = [attribution(run, method) for run in many.runs]
    scores = [None if one is None else position_scores(one) for one in found]
    rows = [
        np.full(len(many.words), np.nan) if one is None or values is None or len(values) != len(trace.tokens)
        else group_scores(shares(values), own, word_rule(one))
        for one, values, trace, own in zip(found, scores, many.traces, many.ranges, strict=True)
    ]  # fmt: skip
    explained = {(one.quantity, one.target, one.foil) for one in found if one is not None and one.error is None}
    rule = next((word_rule(one) for one in found if one is not None), "sum")
    said = [
        f"{method.replace('_', ' ').capitalize()}: shares of the sum of |scores| of each run, by word ({WORDS[rule]})."
    ]
    unsure = [name for name, one in zip(many.names, found, strict=True) if one and one.outcome.converged is False]
    if unsure:
        said.append(f"Not converged: {', '.join(unsure)}. Small differences mean nothing there.")
    if len(explained) > 1:
        said.append("The runs explain different targets: their scores answer different questions.")
    signed = any(one.signed for one in found if one is not None)
    return np.stack(rows), "of the sum of |scores|", signed, said


def _attention(reader: RecentRuns, query: CompareQuery, many: Many) -> Measured:
    rows = [
        _read_from(reader, query, run, len(trace.tokens), own)
        for run, trace, own in zip(many.runs, many.traces, many.ranges, strict=True)
    ]
    one = query.la is not None and query.ha is not None
    where = f"layer {query.la}, head {query.ha}" if one else "the mean of all heads"
    said = [
        f"Where the last token reads from, {where}; attention alone is no explanation. The head is that of A below."
    ]
    return np.stack(rows), "attention weight", False, said


def _read_from(
    reader: RecentRuns, query: CompareQuery, run: RunDetail, n_tokens: int, ranges: Sequence[Range]
) -> Floats:
    weights = reader.attention(run)
    if weights is None or weights.shape[-1] != n_tokens:
        return np.full(len(ranges), np.nan)
    last = weights[:, :, -1].astype(np.float64)  # [L, H, T]
    if query.la is None or query.ha is None:
        return group_sums(last.mean((0, 1)), ranges)
    if query.la >= len(last) or query.ha >= last.shape[1]:
        return np.full(len(ranges), np.nan)
    return group_sums(last[query.la, query.ha], ranges)


def _lens(reader: RecentRuns, query: CompareQuery, many: Many) -> Measured:
    rows = [
        settled(run.lens, len(trace.tokens), own)
        for run, trace, own in zip(many.runs, many.traces, many.ranges, strict=True)
    ]
    said = [
        "After which share of the layers the lens has the last layer's top token for what follows the word, and keeps "
        "it: models of different depth can be compared in it. The lens reads early layers with the last layer's "
        "dictionary."
    ]
    return np.stack(rows), "of the layers", False, said


MEASURERS: dict[str, Callable[[RecentRuns, CompareQuery, Many], Measured]] = {
    "surprisal": _surprisal, "attribution": _attribution, "attention": _attention, "lens": _lens,
}  # fmt: skip
