"""Every head as rows of plain values and as maps, for figures, files and notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.intervals import ANYWHERE, of_moments
from headscope.analysis.types import HEAD_BOUNDS, HEAD_STATS
from headscope.dashboard.figures.heads import HeadMap
from headscope.dashboard.pages.heads.query import Heads, name_of, unit_of
from headscope.storage.rows import HeadMeans, HeadRuns

NUMBERS = ("mean", "mean_size", "sd", "skewness", "least", "largest")
COLUMNS = ("model", "statistic", "quantity", "params", "layer", "head", "n", "low", "high", *NUMBERS, "labels")
TEXTS = ("model", "statistic", "quantity", "params", "labels")
LABELS = ("model", "layer", "head", "label", "statistic", "n", "mean", "low", "high", "asked", "threshold")
ATTENTION = frozenset(HEAD_STATS)
Floats = NDArray[np.float64]


def ends(item: HeadMeans) -> tuple[Floats, Floats]:
    """The 95 % interval of every mean."""
    return of_moments(item.n, item.mean, item.sd, item.skewness, within=within(item.statistic))


def within(statistic: str) -> tuple[float, float]:
    """What its values lie between."""
    return HEAD_BOUNDS.get(statistic, ANYWHERE)


def map_of(item: HeadMeans, *, size: bool = False) -> HeadMap:
    """What figures draw; `size`: of absolute values, which keep no deviation and so no interval."""
    low, high = ends(item)
    mean = item.mean_size if size else item.mean
    signed = item.statistic not in ATTENTION and not size
    return HeadMap(name_of(item.statistic), unit_of(item.statistic), mean, low, high, item.n, signed)


def of_heads(heads: Heads) -> Iterator[dict[str, Any]]:
    """A row for every statistic and head of a model; of a method every setting."""
    others = (item for item in heads.others if item.model == heads.model)
    return (row for item in (*heads.stats.values(), *others) for row in _of_item(heads, item))


def _of_item(heads: Heads, item: HeadMeans) -> Iterator[dict[str, Any]]:
    low, high = ends(item)
    for layer, head in np.ndindex(item.mean.shape):
        cell = (layer, head)
        yield {
            "model": item.model,
            "statistic": item.statistic,
            "quantity": item.quantity,
            "params": item.params,
            "layer": layer,
            "head": head,
            "n": int(item.n[cell]),
            "low": float(low[cell]),
            "high": float(high[cell]),
            **{name: float(getattr(item, name)[cell]) for name in NUMBERS},
            "labels": "; ".join(label.rule.label for label in heads.labels.get(cell, [])),
        }


def of_labels(heads: Heads, cells: Iterable[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """A row for every mean that a label of these heads rests on."""
    for layer, head in cells:
        for label in heads.labels.get((layer, head), []):
            for item in label.evidence:
                asked = "above" if item.bound.above else "below"
                values = (heads.model, layer, head, label.rule.label, item.bound.statistic, int(item.n),
                          float(item.mean), float(item.low), float(item.high), asked, item.bound.threshold)  # fmt: skip
                yield dict(zip(LABELS, values, strict=True))


def of_runs(found: HeadRuns) -> Iterator[dict[str, Any]]:
    """A row for every statistic of one head and run that has it."""
    for (statistic, quantity, params), values in found.values.items():
        for place in np.flatnonzero(np.isfinite(values)).tolist():
            yield {
                "run_id": found.run_id[place],
                "text": found.text[place],
                "statistic": statistic,
                "quantity": quantity,
                "params": params,
                "value": float(values[place]),
            }
