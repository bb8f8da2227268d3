"""Distributions, reliability, selective risk and lock-in over many runs: pure functions of typed data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from headscope.analysis.statistics.calibration import Reliability, SelectiveRisk
from headscope.dashboard.figures.theme import COLORWAY, finish
from headscope.dashboard.units import points

Floats = NDArray[np.float64]
BINS = 30
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
COLOURS = COLORWAY["light"]


@dataclass(frozen=True, slots=True)
class Panel:
    """One measure: `series` name -> values `[run]`, NaN left out. `zero`: the axis starts at 0. `log`: it is
    logarithmic, for values of 1 and more."""

    title: str
    unit: str
    series: Mapping[str, Floats]
    zero: bool = True
    log: bool = False


def distributions(panels: Sequence[Panel]) -> go.Figure:
    """Shares of runs per bin as steps, one panel per measure; every series of a panel has the same bins."""
    rows = -(-len(panels) // 2)
    titles = [panel.title for panel in panels]
    fig = make_subplots(rows=rows, cols=2, subplot_titles=titles, vertical_spacing=0.4 / rows)
    for place, panel in enumerate(panels):
        row, col = place // 2 + 1, place % 2 + 1
        edges = _edges(panel)
        for index, (name, values) in enumerate(panel.series.items()):
            known = values[np.isfinite(values)]
            if edges is None or not len(known):
                continue
            counts, _ = np.histogram(known, edges)
            fig.add_scatter(
                x=edges, y=[*(100 * counts / len(known)), 0], mode="lines", line=line(index) | {"shape": "hv"},
                name=name, legendgroup=name, showlegend=place == 0 and len(panel.series) > 1,
                hovertemplate=f"%{{fullData.name}}: %{{y:.1f}} % of runs from %{{x:.3g}} {panel.unit}<extra></extra>",
                row=row, col=col,
            )  # fmt: skip
        axis = {"type": "log", "dtick": 1} if panel.log else {}
        fig.update_xaxes(title_text=panel.unit, **axis, row=row, col=col)
        fig.update_yaxes(title_text="% of runs" if col == 1 else None, rangemode="tozero", row=row, col=col)
    fig.update_annotations(font={"size": 12.5})
    return finish(fig.update_layout(legend={"y": 1.1}, margin={"t": 56}), height=230 * rows)


def reliability(
    curves: Mapping[str, Reliability],
    stated: str = "probability of the top token",
    true: str = "right",
    counted: str = "prompts",
) -> go.Figure:
    """Stated probability against the share that was right, with Wilson intervals; the diagonal is calibration.
    `stated`, `true`, `counted`: what the axes and the hover call the probability, what it is of, and what has one.
    """
    fig = go.Figure()
    fig.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "width": 1, "color": "#8a939e"},
                    name="calibrated", hoverinfo="skip")  # fmt: skip
    for index, (name, curve) in enumerate(curves.items()):
        fig.add_scatter(
            x=curve.stated, y=curve.observed, mode="lines+markers", line=line(index), marker={"size": 7}, name=name,
            error_y={"array": curve.observed_high - curve.observed, "width": 0, "thickness": 1,
                     "arrayminus": curve.observed - curve.observed_low},
            customdata=curve.counts,
            hovertemplate=f"stated %{{x:.2f}}, {true} %{{y:.2f}} of %{{customdata}} {counted}<extra></extra>",
        )  # fmt: skip
    fig.update_xaxes(title_text=stated, range=[-0.02, 1.02])
    fig.update_yaxes(title_text=f"share {true}", range=[-0.02, 1.02])
    return finish(fig, height=340)


def selective_risk(curves: Mapping[str, SelectiveRisk]) -> go.Figure:
    """Share wrong among the most confident prompts, over the share of prompts answered."""
    fig = go.Figure()
    for index, (name, curve) in enumerate(curves.items()):
        fig.add_scatter(
            x=points(curve.coverage), y=points(curve.risk), mode="lines", line=line(index), name=name,
            hovertemplate="the surest %{x:.0f} %: %{y:.1f} % wrong<extra></extra>",
        )  # fmt: skip
    fig.update_xaxes(title_text="% of prompts answered, surest first", range=[0, 101])
    fig.update_yaxes(title_text="% wrong", rangemode="tozero")
    return finish(fig, height=340)


def locked_in(curves: Mapping[str, tuple[int, Floats]]) -> go.Figure:
    """`curves` name -> number of layers, and the layer every run locks in at (NaN never): the share decided by then."""
    fig = go.Figure()
    for index, (name, (n_layers, layers)) in enumerate(curves.items()):
        shares = [points(float((layers <= layer).mean())) for layer in range(n_layers)]
        fig.add_scatter(
            x=list(range(n_layers)), y=shares, mode="lines+markers", marker={"size": 4}, line=line(index), name=name,
            hovertemplate="decided by layer %{x}: %{y:.0f} % of runs<extra></extra>",
        )  # fmt: skip
    fig.update_xaxes(title_text="layer")
    fig.update_yaxes(title_text="% of runs decided", range=[0, 101])
    return finish(fig, height=320)


def _edges(panel: Panel) -> Floats | None:
    """Bin edges over every series' values; the outermost half percent is gathered at the ends."""
    known = np.concatenate([values[np.isfinite(values)] for values in panel.series.values()] or [np.empty(0)])
    if not len(known):
        return None
    low, high = np.percentile(known, (0.5, 99.5)) if len(known) > 200 else (known.min(), known.max())
    if panel.log:
        return np.geomspace(1, max(float(high), 2), BINS + 1)
    low = min(low, 0.0) if panel.zero else low
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def line(index: int) -> dict[str, object]:
    """Colour and dash: told apart without colour too."""
    return {"color": COLOURS[index % len(COLOURS)], "dash": DASHES[index % len(DASHES)], "width": 2}
