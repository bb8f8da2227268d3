"""Figures of the Compare page: one panel each, so that they wrap on a narrow screen; scales are handed in, so that
compared panels share them, and the page draws one legend for all."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.figures import theme

Array = NDArray[np.floating]


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
