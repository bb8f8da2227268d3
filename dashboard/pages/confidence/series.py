"""Runs split into the lines of a chart: by model, prompt set, group or tag."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.dashboard.words import plural
from headscope.storage.rows import Measures

MOST = 6  # lines that can still be told apart
SERIES = (("model", "by model"), ("prompt_set", "by prompt set"), ("group", "by group"), ("tag", "by tag"))


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its name, the value it stands for (None: without one), and its rows, indexes into the measures."""

    name: str
    value: str | None
    rows: NDArray[np.int64]


def series_of(runs: Measures, by: str) -> list[Series]:
    """The most frequent values first, beyond `MOST` the rest together. A run with several tags is in each."""
    values: list[tuple[str | None, ...]]
    values = [tags or (None,) for tags in runs.tags] if by == "tag" else [(item,) for item in getattr(runs, by)]
    counts = Counter(value for mine in values for value in mine)
    ranked = [value for value, _ in sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))]
    shown = ranked if len(ranked) <= MOST else ranked[: MOST - 1]
    found = [Series(value or "(none)", value, _rows(values, {value})) for value in shown]
    rest = set(ranked[len(shown) :])
    if rest:
        found.append(Series(plural(len(rest), "other"), None, _rows(values, rest)))
    return found


def _rows(values: list[tuple[str | None, ...]], wanted: set[str | None]) -> NDArray[np.int64]:
    return np.array([i for i, mine in enumerate(values) if wanted & set(mine)], dtype=np.int64)
