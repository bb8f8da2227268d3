"""Figures of the Compare page: one panel each, so that they wrap on a narrow screen; scales are handed in, so that
compared panels share them, and the page draws one legend for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.figures import theme
from dashboard.figures.tokens import short

Array = NDArray[np.floating]
MAX_TICKS = 40


def signed_root(values: Array) -> NDArray[np.float64]:
    """Square root of the size with the sign kept: the scale attention is drawn on."""
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)), dtype=np.float64)


def attention_panel(weights: Array, labels: Sequence[str], limit: float, signed: bool = False) -> go.Figure:
    """A heatmap of attention between units, float `[query, key]`, from 0 (or -limit) to limit, on a square-root scale.

    Exact weights are in the hover text. Cells above the diagonal and of units that a side lacks are empty.
    """
    causal = np.where(np.tril(np.ones(weights.shape, dtype=bool)), weights, np.nan)
    names = [short(label) for label in labels]
    trace = go.Heatmap(
        z=signed_root(causal),
        customdata=_hover(causal, names),
        hovertemplate="“%{customdata[1]}” reads “%{customdata[2]}”<br><b>%{customdata[0]:.4f}</b><extra></extra>",
        hoverongaps=False,
        coloraxis="coloraxis",
        xgap=1 if len(names) <= MAX_TICKS else 0,
        ygap=1 if len(names) <= MAX_TICKS else 0,
    )
    root = float(np.sqrt(limit)) if limit > 0 else 1.0
    fig = go.Figure(trace)
    fig.update_layout(
        coloraxis={**(theme.signed_axis(root) if signed else theme.unsigned_axis(root)), "showscale": False},
        xaxis=_units_axis(names, "top"),
        yaxis={**_units_axis(names, "left"), "autorange": "reversed", "scaleanchor": "x",
               "constrain": "domain"},
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
    )  # fmt: skip
    fig.update_xaxes(constrain="domain")
    return theme.finish(fig, height=400)


def head_map(values: Array, limit: float, signed: bool, name: str, selected: tuple[int, int] | None) -> go.Figure:
    """A heatmap of one statistic of every head, float `[layer, head]`: layers left to right, heads top to bottom.

    `selected` (layer, head) is framed. A head without a measured value is empty.
    """
    layers, heads = values.shape
    trace = go.Heatmap(
        z=np.asarray(values, dtype=np.float64).T,
        x=list(range(layers)),
        y=list(range(heads)),
        hovertemplate=f"layer %{{x}}, head %{{y}}<br>{name} <b>%{{z:.4f}}</b><extra></extra>",
        hoverongaps=False,
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
    )
    fig = go.Figure(trace)
    if selected is not None:
        layer, head = selected
        fig.add_shape(type="rect", x0=layer - 0.5, x1=layer + 0.5, y0=head - 0.5, y1=head + 0.5,
                      line={"width": 2.5, "color": "#1f9e89"}, fillcolor="rgba(0,0,0,0)")  # fmt: skip
    scale = theme.signed_axis(limit or 1.0) if signed else theme.unsigned_axis(limit or 1.0)
    fig.update_layout(
        coloraxis={**scale, "showscale": False},
        xaxis={"title": {"text": "layer"}, "showgrid": False, "dtick": max(1, layers // 10), "constrain": "domain"},
        yaxis={"title": {"text": "head"}, "showgrid": False, "dtick": max(1, heads // 8), "autorange": "reversed"},
        margin={"l": 40, "r": 8, "t": 8, "b": 36},
    )
    return theme.finish(fig, height=min(420, 84 + 18 * heads))


def _hover(weights: NDArray[np.floating], labels: Sequence[str]) -> list[list[list[object]]]:
    return [
        [[None if np.isnan(w) else float(w), labels[q], labels[k]] for k, w in enumerate(row)]
        for q, row in enumerate(weights)
    ]


def _units_axis(labels: Sequence[str], side: str) -> dict[str, object]:
    every = max(1, -(-len(labels) // MAX_TICKS))
    return {
        "tickvals": list(range(0, len(labels), every)), "ticktext": list(labels[::every]), "side": side,
        "showgrid": False, "ticks": "", "tickfont": {"size": 10},
        "tickangle": -60 if side == "top" else 0,
    }  # fmt: skip
