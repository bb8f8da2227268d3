"""The first card of a comparison: every run in one row, beside A, in all that runs are compared in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component
from numpy.typing import NDArray

from headscope.analysis.errors import StorageError
from headscope.analysis.types import RunStatus
from headscope.dashboard import links
from headscope.dashboard.attention_cache import attention_artifact
from headscope.dashboard.cards import Children
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.compare.across_measures import Many, aligned_runs, measured, methods_of
from headscope.dashboard.pages.compare.across_numbers import Across, moved
from headscope.dashboard.pages.compare.facts import missing
from headscope.dashboard.pages.compare.query import CompareQuery, letter
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.parts import note
from headscope.dashboard.tables import table
from headscope.dashboard.text import quoted, short
from headscope.dashboard.units import probability
from headscope.dashboard.words import DASH
from headscope.storage.rows import RunDetail

Floats = NDArray[np.float64]
MOST_ATTENTION = 32 * 2**20
"""Weights of all runs that are read without being asked for."""
HEAD = ("Run", "Text", "Next token", "Margin, nats>", "Surprisal, bits per character>", "Divergence from A, bits>",
        "Attribution moved>", "Attention moved>", "Lens settles after>", "Words matched>")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """One run beside the first. surprisal: bits per character of the words that every run has. divergence: mean over
    words of what comes next, bits (`divergence_most`: of the upper bounds; `divergent`: the word where it is largest).
    attribution, attention: the share that moved, 0 the same and 1 no overlap. lens: mean share of the layers after
    which the lens has its last word. NaN is unmeasured. words: matched, of those of the first."""

    run: RunDetail
    name: str
    margin: float
    surprisal: float
    divergence: float
    divergence_most: float
    divergent: str
    attribution: float
    attention: float
    lens: float
    words: int


def summaries(reader: RecentRuns, query: CompareQuery, many: Many) -> list[Summary]:
    """A row a run; differences are from the first."""
    plainly = replace(query, minus=False, unit="bits", la=None, ha=None)

    def of(measure: str) -> Across:
        return measured(reader, replace(plainly, across=measure), many)[0]

    apart, surprisal, scores, lens = (of(measure) for measure in ("divergence", "surprisal", "attribution", "lens"))
    weights = np.full(surprisal.values.shape, np.nan)
    if _few(many):
        with suppress(StorageError):  # a file that is gone is named by the cards about attention
            weights = of("attention").values
    shared = np.flatnonzero(np.isfinite(surprisal.values).all(axis=0))
    length = sum(len(many.words[place]) for place in shared)
    bits = surprisal.values[:, shared].sum(1) / length if length else np.full(len(many.runs), np.nan)
    most = apart.bounds[0] if apart.bounds else apart.values
    attribution, attention = moved(scores.values), moved(weights)
    return [
        Summary(run, name, _margin(run), float(bits[i]), _mean(apart.values[i]), _mean(most[i]),
                _where(apart.values[i], many.words), float(attribution[i]), float(attention[i]),
                _mean(lens.values[i]), sum(end > start for start, end in many.ranges[i]))
        for i, (run, name) in enumerate(zip(many.runs, many.names, strict=True))
    ]  # fmt: skip


def _few(many: Many) -> bool:
    """Whether all attention together is quickly read."""
    sizes = (math.prod(file.shape) for run in many.runs if (file := attention_artifact(run)) is not None)
    return sum(sizes) <= MOST_ATTENTION


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan


def _where(values: Floats, words: Sequence[str]) -> str:
    return words[int(np.nanargmax(values))] if np.isfinite(values).any() and np.nanmax(values) > 0 else ""


def _margin(run: RunDetail) -> float:
    return math.nan if run.row.margin is None else run.row.margin


def summary_view(reader: RecentRuns, query: CompareQuery, runs: Sequence[RunDetail]) -> Children:
    """The table; below it how its numbers come about, and runs that have none."""
    lost = [(letter(i), run) for i, run in enumerate(runs) if run.trace is None]
    many = aligned_runs(runs)
    rows = [] if many is None else [_row(one, len(many.words)) for one in summaries(reader, query, many)]
    rows += [_without(name, run) for name, run in lost]
    said = [missing(name, run, "measurements") for name, run in lost]
    if many is not None:
        said = [_method(query, many), *said]
    return [table(HEAD, rows), *map(note, said)]


def _method(query: CompareQuery, many: Many) -> str:
    names = methods_of(many.runs)
    method = (query.method if query.method in names else names[0]).replace("_", " ") if names else ""
    unread = "" if _few(many) else (
        " Attention of runs as long as these is read when it is asked for: choose it in the next card."
    )  # fmt: skip
    by = f" ({method})" if method else ""
    return (
        f"Beside {many.names[0]}, over the words of its text that a run has, too. Surprisal: of the characters of "
        "words that all runs have. Divergence: Jensen–Shannon, mean over words of what is expected next, at least and "
        f"at most, with the word where it is largest. Attribution{by} and attention of the last token (mean of all "
        "heads): half the sum of absolute differences of shares, 0 the same and 1 no overlap. Lens: mean share of the "
        f"layers after which its top token is the last layer’s.{unread}"
    )


def _row(one: Summary, words: int) -> html.Tr:
    row = one.run.row
    text, token = row.text or "", short(row.next_token or DASH)
    chance = "" if row.next_token_prob is None else probability(row.next_token_prob)
    most = interval(one.divergence, one.divergence_most, 3)
    apart = [plain(one.divergence, 3), html.Small(f" {most}"), _word(one.divergent)]
    cells = (
        signed(one.margin), plain(one.surprisal), apart,
        plain(one.attribution), plain(one.attention), plain(one.lens), f"{one.words} of {words}",
    )  # fmt: skip
    return html.Tr(
        [
            html.Th(dcc.Link(one.name, href=links.run(row.id)), scope="row"),
            html.Td(html.Span(text, className="hs-ellipsis", title=text), className="hs-text"),
            html.Td([token, html.Span(chance, className="hs-sub")]),
            *(html.Td(cell, className="num") for cell in cells),
        ]
    )


def _word(text: str) -> Component | None:
    return html.Span(quoted(text, 14), className="hs-sub") if text else None


def _without(name: str, run: RunDetail) -> html.Tr:
    said = "failed" if run.row.status is RunStatus.FAILED else "not measured"
    text = run.row.text or ""
    link = dcc.Link(f"{name}  {short(run.model.ref.name, 22)}", href=links.run(run.row.id))
    return html.Tr([
        html.Th(link, scope="row"), html.Td(html.Span(text, className="hs-ellipsis", title=text), className="hs-text"),
        html.Td(said, colSpan=len(HEAD) - 2),
    ])  # fmt: skip


COLUMNS = (
    "margin",
    "surprisal",
    "divergence",
    "divergence_most",
    "divergent",
    "attribution",
    "attention",
    "lens",
    "words",
)


def summary_row(one: Summary) -> dict[str, object]:
    """For a file."""
    row = one.run.row
    return {
        "run": one.name.split()[0], "run_id": row.id, "model": one.run.model.ref.name, "text": row.text,
        "target": row.target, "foil": row.foil, "next_token": row.next_token, "next_token_prob": row.next_token_prob,
        **{name: getattr(one, name) for name in COLUMNS},
    }  # fmt: skip
