"""All runs of a comparison at once, 2 to 20: one measure of every word, aligned across tokenizers, beside the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component
from numpy.typing import NDArray

from headscope.analysis.alignment import Range
from headscope.analysis.attribution.results import position_scores, word_rule
from headscope.analysis.types import TokenTrace
from headscope.dashboard import links
from headscope.dashboard.cards import Children
from headscope.dashboard.numbers import significant
from headscope.dashboard.pages.compare.across_numbers import Across, divergences, matched, surprisals, word_ranges
from headscope.dashboard.pages.compare.canvas import map_canvas, packed
from headscope.dashboard.pages.compare.columns import scale_legend
from headscope.dashboard.pages.compare.facts import missing, same_tokenizer
from headscope.dashboard.pages.compare.numbers import group_scores, group_sums, largest, shares
from headscope.dashboard.pages.compare.pair import attribution
from headscope.dashboard.pages.compare.query import CompareQuery, letter
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.compare.surprisal import SPACES, start_notes
from headscope.dashboard.pages.compare.view import options, select, sentences
from headscope.dashboard.text import quoted, short
from headscope.dashboard.units import in_bits, per_bit
from headscope.storage.rows import RunDetail

Floats = NDArray[np.float64]
MEASURES = {
    "divergence": "What comes next",
    "surprisal": "Surprisal",
    "attribution": "Attribution",
    "attention": "Attention",
}


@dataclass(frozen=True, slots=True)
class Many:
    """The runs that have a trace, with their letters, and the words of the first with each run's tokens for them."""

    runs: tuple[RunDetail, ...]
    traces: tuple[TokenTrace, ...]
    names: tuple[str, ...]
    words: tuple[str, ...]
    ranges: tuple[tuple[Range, ...], ...]


def across_view(reader: RecentRuns, query: CompareQuery, runs: Sequence[RunDetail]) -> Children:
    """The figure of the chosen measure, a row of numbers per run, and what cannot be shown and why."""
    lost = [missing(letter(i), run, "measurements") for i, run in enumerate(runs) if run.trace is None]
    many = _aligned(runs)
    if many is None:
        return sentences(lost)
    view, said = _measured(reader, query, many)
    traces = {name.split()[0]: trace for name, trace in zip(many.names, many.traces, strict=True)}
    notes = [html.P(text, className="hs-muted") for text in (*said, *start_notes(traces), *lost)]
    if not np.isfinite(view.values).any():
        return [sentences([f"No run has a number for {MEASURES[query.across].lower()} here."]), *notes]
    return [_map(view), _table(many, view), *notes]


def _map(view: Across) -> Component:
    limit = largest(view.values)
    more = {} if view.bounds is None else {"high": packed(view.bounds[0]), "shared": packed(view.bounds[1])}
    canvas = map_canvas("word", MEASURES[view.measure], view.values, view.runs, view.words, limit, signed=view.signed,
                        unit=view.unit, **more)  # fmt: skip
    return html.Div([canvas, scale_legend(limit, view.signed, view.unit)])


def across_actions(query: CompareQuery, runs: Sequence[RunDetail]) -> Children:
    """Switches: the measure, the method of an attribution, the difference from A."""
    names = _methods(runs)
    parts: list[Component] = [options("across", list(MEASURES.items()), query.across, "Measure")]
    if query.across == "attribution" and names:
        now = query.method if query.method in names else names[0]
        parts.append(select("method", "Method", [(name, name.replace("_", " ")) for name in names], now))
    if query.across != "divergence":
        parts.append(options("minus", [("0", "as measured"), ("1", "minus A")], str(int(query.minus)), "Difference"))
    return parts


def _aligned(runs: Sequence[RunDetail]) -> Many | None:
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


def _measured(reader: RecentRuns, query: CompareQuery, many: Many) -> tuple[Across, list[str]]:
    if query.across == "divergence":
        return _divergence(many)
    values, unit, signed, said = {"surprisal": _surprisal, "attribution": _attribution, "attention": _attention}[
        query.across
    ](reader, query, many)
    if query.minus:
        values, signed = values - values[0], True
        said = [*said, "Each row minus that of A."]
    return Across(values, None, many.words, many.names, query.across, unit, signed), said


def _divergence(many: Many) -> tuple[Across, list[str]]:
    by_id = [same_tokenizer(many.runs[0], run) for run in many.runs]
    values, high, shared = divergences(many.traces, many.ranges, by_id)
    said = [
        "Jensen–Shannon divergence (bits: 0 the same, 1 nothing in common) between what a run and what A expect after "
        f"the word. The {len(many.traces[0].topk_texts[0])} likeliest tokens of each are stored, so it is at least "
        "this much; point at a cell for what it is at most."
    ]
    if not all(by_id):
        said.append("Where tokenizers differ, next tokens are matched by their text: a word cut elsewhere counts as "
                    "another outcome.")  # fmt: skip
    return Across(values, (high, shared), many.words, many.names, "divergence", "bits", False), said


WORDS = {"sum": "added up over its tokens", "norm": "the norm of its gradient", "largest": "its largest token"}
Measured = tuple[Floats, str, bool, list[str]]


def _surprisal(reader: RecentRuns, query: CompareQuery, many: Many) -> Measured:
    values = surprisals(many.traces, many.ranges) * per_bit(query.unit)
    said = ["How unexpected each word was: the sum over its tokens."]
    if not all(same_tokenizer(many.runs[0], run) for run in many.runs):
        said.append(SPACES)
    return values, query.unit, False, said


def _attribution(reader: RecentRuns, query: CompareQuery, many: Many) -> Measured:
    names = _methods(many.runs)
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


def _methods(runs: Sequence[RunDetail]) -> list[str]:
    """Methods with a score per token of any run, in the order they are met."""
    return list(
        dict.fromkeys(item.method for run in runs for item in run.attributions if position_scores(item) is not None)
    )


def _table(many: Many, view: Across) -> Component:
    heads = (
        "Run",
        "Text",
        "Next token",
        "Mean surprisal",
        f"Mean, {view.unit}",
        f"Largest, {view.unit}",
        "Words matched",
    )
    rows = [
        html.Tr([html.Td(dcc.Link(name, href=links.run(run.row.id))), *_cells(run, values, many.words)])
        for name, run, values in zip(many.names, many.runs, view.values, strict=True)
    ]
    head = html.Thead(html.Tr([html.Th(text, scope="col") for text in heads]))
    return html.Div(html.Table([head, html.Tbody(rows)], className="hs-table"), className="hs-scroll-x")


def _cells(run: RunDetail, values: Floats, words: Sequence[str]) -> list[Component]:
    known, text, surprisal = values[np.isfinite(values)], run.row.text or "", run.row.mean_surprisal
    mean, largest = "–", "–"
    if known.size:
        top = int(np.nanargmax(np.abs(values)))
        mean, largest = significant(float(known.mean())), f"{significant(float(values[top]))} {quoted(words[top], 14)}"
    bits = "–" if surprisal is None else f"{significant(in_bits(surprisal))} bits"
    numbers = (bits, mean, largest, f"{known.size} of {len(words)}")
    return [
        html.Td(html.Span(text, className="hs-ellipsis", title=text), className="hs-text"),
        html.Td(short(run.row.next_token or "–")),
        *(html.Td(item, className="num") for item in numbers),
    ]
