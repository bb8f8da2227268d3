"""Figures of heads over many runs: the map, what looks important, one head, models side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.dashboard.figures.heads import HeadValues, head_map, head_spread, looks_and_is, model_profiles
from headscope.dashboard.pages.heads.query import LOOKS, Heads, name_of, unit_of
from headscope.dashboard.pages.heads.rows import ATTENTION, map_of
from headscope.notebook.beside import Beside
from headscope.notebook.paper import on_paper
from headscope.notebook.tables import newest_said
from headscope.storage.rows import HeadMeans


class HeadFigures:
    """Part of `Store.figures`. `conditions` on runs are as in `Store.runs`; `model` says which, where several ran."""

    def __init__(self, store: Beside) -> None:
        self._store = store

    def heads(self, statistic: str = "previous_token", **conditions: Any) -> go.Figure:
        """A statistic of every head, mean over runs, layer by head; intervals and n in the hover. statistic: of
        attention (`headscope.analysis.types.HEAD_STATS`), or a method whose scores are over heads, as in
        `Store.head_stats`. Raises UnknownNameError for one that was not measured."""
        heads = self._heads(conditions)
        return on_paper(head_map(map_of(_of(heads, statistic))), newest_said(heads))

    def heads_matter(self, looks: str = "", **conditions: Any) -> go.Figure:
        """Every head as a point: what makes it look important (an attribution, else attention) against the change that
        its removal makes."""
        heads = self._heads(conditions)
        removal = heads.removal
        if removal is None:
            raise InputError("no head was removed in these runs: --analyses head_ablation or co_ablation does.")
        known = [name for name in LOOKS if name in heads.stats]
        across = _of(heads, looks or (known or list(heads.stats))[0])
        sized = across.statistic not in ATTENTION
        return on_paper(looks_and_is(map_of(across, size=sized), map_of(removal, size=True)), newest_said(heads))

    def head(self, model: str, layer: int, head: int, **conditions: Any) -> go.Figure:
        """How every statistic of one head is spread over runs: a histogram each, of what `Store.head_runs` has."""
        found, said = self._store.one_head(model, layer, head, **conditions)
        kept = [(statistic, values) for (statistic, _, _), values in found.values.items() if np.isfinite(values).any()]
        if not kept:
            raise InputError(f"nothing was measured of head {layer}.{head} of {model} in these runs.")
        spreads = [HeadValues(name_of(name), unit_of(name), values) for name, values in kept]
        return on_paper(head_spread(spreads), said)

    def models_heads(self, statistic: str = "previous_token", **conditions: Any) -> go.Figure:
        """A line per model: the statistic of its heads (of scores their mean size), the most first."""
        found = [heads for heads in self._store.head_maps(**conditions) if statistic in heads.stats]
        if not found:
            raise InputError(f"{statistic} was not measured of any head in these runs.")
        items = [heads.stats[statistic] for heads in found]
        sized = statistic not in ATTENTION
        profiles = [HeadValues(item.model, unit_of(statistic), (item.mean_size if sized else item.mean).reshape(-1))
                    for item in items]  # fmt: skip
        return on_paper(model_profiles(profiles), newest_said(found[0]))

    def _heads(self, conditions: dict[str, Any]) -> Heads:
        found = self._store.head_maps(**conditions)
        if not found:
            raise InputError("no heads were measured in these runs: --analyses heads does.")
        if len(found) > 1:
            names = ", ".join(heads.model for heads in found)
            raise InputError(f"{len(found)} models ran here ({names}): say which, as model={found[0].model!r}.")
        return found[0]


def _of(heads: Heads, statistic: str) -> HeadMeans:
    if statistic not in heads.stats:
        raise UnknownNameError("statistic", statistic, tuple(heads.stats), "It was not measured in these runs.")
    return heads.stats[statistic]
