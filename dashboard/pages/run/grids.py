"""Attributions over layers, heads and components as grids; and whether a head that looks important is important."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.attribution.results import word_rule
from headscope.analysis.registry import method_entry
from headscope.analysis.statistics.intervals import FEWEST, Z
from headscope.analysis.types import Attribution, Float32, HeadSummary
from headscope.dashboard.head_stats import head_stats
from headscope.dashboard.pages.run.attributions import explained, over_tokens, settings
from headscope.dashboard.pages.run.tokens import grouped, largest, quantity_unit, score_unit

Floats = NDArray[np.float64]
KINDS: Mapping[tuple[str, ...], str] = {
    ("layer", "head"): "heads",
    ("layer", "component"): "components",
    ("condition", "layer", "head"): "heads",  # drawn is the first condition, beside other heads' ablation
}


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rank correlation with its 95 % interval (Bonett and Wright 2000), over n pairs; NaN when one side is
    constant or there are too few."""

    rho: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class GridView:
    """A heat map. `array` names its float32 `[row, column]` in the run's arrays, `[target, row, column]` when the run
    explains a continuation (`targets`). kind: `layers` (columns are tokens), `heads`, `components`.

    terms: what a method adds besides its components (name, value). looks: per head statistic and target, how far its
    ranking of heads is that of the effects' size (direction aside) and of the effects themselves.
    """

    array: str
    kind: str
    method: str
    label: str
    signed: bool
    unit: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    limit: float
    targets: bool
    note: str
    explained: str
    terms: tuple[tuple[str, float], ...] = ()
    looks: Mapping[str, tuple[tuple[Correlation, Correlation], ...]] = field(default_factory=dict)


def grid_views(
    attributions: Sequence[Attribution], n_layers: int, heads: HeadSummary | None = None
) -> tuple[GridView, ...]:
    """Every grid of a run, in the order of its attributions."""
    found: list[GridView] = []
    for index, item in enumerate(attributions):
        if item.error is not None:
            continue
        if item.layer_scores is not None:
            found.append(_layers(index, item, item.layer_scores, n_layers))
        if _axes(item) in KINDS:
            found.append(_grid(index, item, heads))
    return tuple(found)


def grid_arrays(attributions: Sequence[Attribution], words: Sequence[int] = ()) -> dict[str, Float32]:
    """What the browser draws, by name: `layers.I`, `heads.I`, `components.I` of attribution I, and of a continuation
    `tokens.I` and `words.I`, `[target, position]` and `[target, word]` (`words`: the first token of every word)."""
    found: dict[str, Float32] = {}
    for index, item in enumerate(attributions):
        if item.error is not None:
            continue
        if item.layer_scores is not None:
            found[f"layers.{index}"] = item.layer_scores
        if (kind := KINDS.get(_axes(item))) is not None:
            found[f"{kind}.{index}"] = _drawn(item)
        scores = over_tokens(item) if item.axes[0] == "target_position" else None
        if scores is not None:
            found[f"tokens.{index}"] = scores
            found[f"words.{index}"] = grouped(scores, words, word_rule(item)).astype(np.float32)
    return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in found.items()}


def spearman(first: NDArray[np.floating], second: NDArray[np.floating]) -> Correlation:
    """Spearman's rho of two arrays of one shape, ties at their mean rank; pairs with a NaN are left out."""
    a, b = np.asarray(first, dtype=np.float64).ravel(), np.asarray(second, dtype=np.float64).ravel()
    both = np.isfinite(a) & np.isfinite(b)
    n = int(both.sum())
    ranks_a, ranks_b = _ranks(a[both]), _ranks(b[both])
    spread = float(ranks_a.std() * ranks_b.std()) if n else 0.0
    if n < FEWEST or spread == 0:
        return Correlation(math.nan, math.nan, math.nan, n)
    rho = float(((ranks_a - ranks_a.mean()) * (ranks_b - ranks_b.mean())).mean() / spread)
    rho = min(1.0, max(-1.0, rho))
    if abs(rho) > 1 - 1e-12:
        return Correlation(rho, rho, rho, n)
    half = Z * math.sqrt((1 + rho * rho / 2) / (n - 3))
    return Correlation(rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half), n)


def _ranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    middle: Floats = (ends - (count - 1) / 2)[place]
    return middle


def layer_labels(n_rows: int, n_layers: int) -> tuple[str, ...]:
    """Names of `layer_scores` rows: with one row more than layers, row l is what layer l reads, the first the
    embeddings, the last what the final norm reads; else row l is layer l itself."""
    if n_rows != n_layers + 1:
        return tuple(str(layer) for layer in range(n_rows))
    return ("embeddings", *(str(layer) for layer in range(1, n_layers)), "final norm")


def _layers(index: int, item: Attribution, scores: Float32, n_layers: int) -> GridView:
    reads = len(scores) == n_layers + 1
    note = (
        "Row l is the residual stream that layer l reads: the first row the embeddings, the last what the final norm "
        "reads." if reads else "Row l is layer l."
    )  # fmt: skip
    return _view(index, item, "layers", layer_labels(len(scores), n_layers), (), largest(scores), note)


def _grid(index: int, item: Attribution, heads: HeadSummary | None) -> GridView:
    kind = KINDS[_axes(item)]
    scores = _drawn(item)
    n_layers, n_columns = scores.shape[-2:]
    names = tuple(f"H{head}" for head in range(n_columns))
    if kind == "components":
        names = (*names[:-1], "MLP")
    view = _view(index, item, kind, tuple(str(layer) for layer in range(n_layers)), names, largest(scores), "")
    return view if kind == "components" else _with_looks(view, item, heads)


def _view(
    index: int, item: Attribution, kind: str, rows: tuple[str, ...], columns: tuple[str, ...], limit: float, note: str
) -> GridView:
    entry = method_entry(item.method)
    return GridView(
        array=f"{kind}.{index}",
        kind=kind,
        method=item.method,
        label=entry.label if entry else item.method,
        signed=item.signed,
        unit=quantity_unit(item) if item.signed else score_unit(item),
        rows=rows,
        columns=columns,
        limit=limit,
        targets=kind != "layers" and item.axes[0] == "target_position",
        note=note or _settings(item),
        explained=explained(item),
        terms=tuple(item.outcome.terms.items()),
    )


def _settings(item: Attribution) -> str:
    said = ", ".join(f"{term} {value}" for term, value in settings(item))
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def _with_looks(view: GridView, item: Attribution, heads: HeadSummary | None) -> GridView:
    effects = _drawn(item) if view.targets else _drawn(item)[None]
    stats = head_stats(heads) if heads is not None else {}
    looks = {
        name: tuple((spearman(stat.values, np.abs(effect)), spearman(stat.values, effect)) for effect in effects)
        for name, stat in stats.items()
        if stat.values.shape == effects.shape[1:]
    }
    return replace(view, looks=looks)


def _drawn(item: Attribution) -> Float32:
    """Scores `[..., row, column]`; of several conditions the first."""
    return np.take(item.scores, 0, item.axes.index("condition")) if "condition" in item.axes else item.scores


def _axes(item: Attribution) -> tuple[str, ...]:
    return tuple(axis for axis in item.axes if axis != "target_position")
