"""Attributions over layers, heads and components as grids, and how far what heads look like is what they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from headscope.analysis.attribution.results import word_rule
from headscope.analysis.registry import method_entry
from headscope.analysis.types import Attribution, Float32, HeadSummary
from headscope.dashboard.pages.run.attributions import explained, over_tokens, settings
from headscope.dashboard.pages.run.heads import Correlation, Pairs, agreements, by_head, looks_of
from headscope.dashboard.pages.run.tokens import Grain, grouped, largest, score_unit

KINDS: Mapping[tuple[str, ...], str] = {
    ("layer", "head"): "heads",
    ("condition", "layer", "head"): "heads",
    ("layer", "component"): "components",
    ("layer", "position"): "layers",
}


@dataclass(frozen=True, slots=True)
class GridView:
    """A heat map. `array` names its float32 `[row, column]` in the run's arrays, `[target, row, column]` when the run
    explains a continuation (`targets`). kind: `layers` (columns are tokens), `components`, `heads` (what single heads
    do by any method that says so, also by one whose grid of components is shown whole).

    terms: what a method adds besides its components or layers (name, value). looks: per head statistic and target, how
    far its ranking of heads is that of the effects' size (direction aside) and of the effects themselves. agrees: per
    other method and target, how far both rank the heads alike.
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
    agrees: Pairs = field(default_factory=dict)


def grid_views(
    attributions: Sequence[Attribution], n_layers: int, heads: HeadSummary | None = None
) -> tuple[GridView, ...]:
    """Every grid of a run, in the order of its attributions; what passes through heads comes after what they do."""
    found: list[GridView] = []
    for index, item in enumerate(attributions):
        if item.error is not None:
            continue
        if item.layer_scores is not None:
            found.append(_layers(index, item, item.layer_scores, n_layers))
        if KINDS.get(_axes(item)) == "components":
            found.append(_components(index, item))
        if KINDS.get(_axes(item)) == "layers":
            labels = layer_labels(len(item.scores), -1)
            found.append(_view(index, item, "layers", labels, (), largest(item.scores), ""))
    return (*found, *_heads(attributions, heads))


def grid_arrays(
    attributions: Sequence[Attribution], starts: Mapping[Grain, Sequence[int]] = MappingProxyType({})
) -> dict[str, Float32]:
    """What the browser draws, by name: `layers.I`, `heads.I`, `components.I` of attribution I, and of a continuation
    `tokens.I`, `words.I` and `sentences.I`, `[target, position]` and by group (`starts`: the first token of each)."""
    found: dict[str, Float32] = {}
    for index, item in enumerate(attributions):
        if item.error is not None:
            continue
        if item.layer_scores is not None:
            found[f"layers.{index}"] = item.layer_scores
        if (kind := KINDS.get(_axes(item))) in ("components", "layers"):
            found[f"{kind}.{index}"] = item.scores
        if (effect := by_head(item)) is not None:
            found[f"heads.{index}"] = effect
        scores = over_tokens(item) if item.axes[0] == "target_position" else None
        if scores is not None:
            found[f"tokens.{index}"] = scores
            for grain, firsts in starts.items():
                found[f"{grain}s.{index}"] = grouped(scores, firsts, word_rule(item)).astype(np.float32)
    return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in found.items()}


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


def _components(index: int, item: Attribution) -> GridView:
    n_layers, n_columns = item.scores.shape[-2:]
    names = (*_names(n_columns - 1), "MLP")
    return _view(index, item, "components", _numbers(n_layers), names, largest(item.scores), "")


def _heads(attributions: Sequence[Attribution], heads: HeadSummary | None) -> list[GridView]:
    """What heads do, by every method that says so."""
    effects = {i: effect for i, item in enumerate(attributions) if (effect := by_head(item)) is not None}
    signed = {attributions[i].method: (effect, attributions[i].signed) for i, effect in effects.items()}
    agreed = agreements(signed)
    return [
        replace(
            _view(i, item, "heads", _numbers(effect.shape[-2]), _names(effect.shape[-1]), largest(effect), ""),
            note=_of_heads(item),
            terms=(),
            looks=looks_of(effect, heads),
            agrees=agreed[item.method],
        )
        for i, effect in effects.items()
        for item in (attributions[i],)
    ]


def _numbers(n_layers: int) -> tuple[str, ...]:
    return tuple(str(layer) for layer in range(n_layers))


def _names(n_heads: int) -> tuple[str, ...]:
    return tuple(f"H{head}" for head in range(n_heads))


def _of_heads(item: Attribution) -> str:
    """How it came to one number per head."""
    summed = "Summed over tokens." if item.axes[-1] == "position" else ""
    return " ".join(filter(None, (summed, _settings(item))))


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
        unit=score_unit(item),
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


def _axes(item: Attribution) -> tuple[str, ...]:
    return tuple(axis for axis in item.axes if axis != "target_position")
