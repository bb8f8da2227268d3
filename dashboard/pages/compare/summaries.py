"""Every run of a comparison in one row, beside the first, in all that runs are compared in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.errors import StorageError
from headscope.dashboard.attention_cache import attention_artifact
from headscope.dashboard.pages.compare.across_measures import Many, measured
from headscope.dashboard.pages.compare.across_numbers import Across, moved
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.storage.rows import RunDetail

Floats = NDArray[np.float64]
MOST_ATTENTION = 32 * 2**20
"""Weights of all runs that are read without being asked for."""
WORDS = ("run", "run_id", "model", "measure", "position", "word", "value", "at_most", "unit")
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
    if few(many):
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


def few(many: Many) -> bool:
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


def summary_row(one: Summary) -> dict[str, object]:
    """For a file."""
    row = one.run.row
    return {
        "run": one.name.split()[0], "run_id": row.id, "model": one.run.model.ref.name, "text": row.text,
        "target": row.target, "foil": row.foil, "next_token": row.next_token, "next_token_prob": row.next_token_prob,
        **{name: getattr(one, name) for name in COLUMNS},
    }  # fmt: skip


def of_words(reader: RecentRuns, query: CompareQuery, many: Many) -> Iterator[dict[str, object]]:
    """The measure of the link: a row for every run and word; of divergences what they are at most, too."""
    view, _ = measured(reader, query, many)
    for i, run in enumerate(many.runs):
        for place, word in enumerate(many.words):
            most = view.bounds[0][i, place] if view.bounds else None
            values = (many.names[i].split()[0], run.row.id, run.model.ref.name, query.across, place, word,
                      float(view.values[i, place]), None if most is None else float(most), view.unit)  # fmt: skip
            yield dict(zip(WORDS, values, strict=True))
