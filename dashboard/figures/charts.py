"""Columns of runs drawn as histograms, cumulative shares, boxes and points: pure functions of typed data.

Every point has its number as customdata, counted through all series in order: pages know what it leads to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from headscope.dashboard.figures.behaviour import COLOURS, line
from headscope.dashboard.figures.theme import finish
from headscope.dashboard.units import points

Floats = NDArray[np.float64]
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")
HEIGHT = 400


@dataclass(frozen=True, slots=True)
class Axis:
    """What runs along an axis: its name with the unit, and whether it is logarithmic."""

    title: str
    log: bool = False

    def settings(self) -> dict[str, Any]:
        """Plotly's; the grid of a logarithmic axis has its decades named."""
        return {"title": {"text": self.title}, **({"type": "log", "exponentformat": "power"} if self.log else {})}


@dataclass(frozen=True, slots=True)
class Curve:
    """A series over x: shares of its runs, 0 to 1, and how many runs those are of."""

    name: str
    x: Floats
    shares: Floats
    n: int


@dataclass(frozen=True, slots=True)
class Box:
    """A series by its quartiles; low, high: how far its whiskers reach."""

    name: str
    low: float
    q1: float
    median: float
    q3: float
    high: float
    mean: float
    n: int


@dataclass(frozen=True, slots=True)
class Cloud:
    """A series of runs, float64 `[run]` both."""

    name: str
    x: Floats
    y: Floats


def histogram(edges: Floats, counts: Sequence[NDArray[np.int64]], names: Sequence[str], axis: Axis) -> go.Figure:
    """Runs per bin: bars for one series, shares of each series as steps for several. counts: `[bin]` per series."""
    fig = go.Figure()
    widths, single = np.diff(edges), len(counts) == 1
    for index, (name, found) in enumerate(zip(names, counts, strict=True)):
        numbers = np.arange(len(found)) + index * len(found)
        ends = np.stack([edges[:-1], edges[1:], numbers, found], axis=1)
        hover = "%{customdata[0]:.4g} to %{customdata[1]:.4g}: %{customdata[3]:,} runs"
        if single:
            fig.add_bar(x=edges[:-1], y=found, width=widths, offset=0, customdata=ends, name=name,
                        marker={"color": COLOURS[0], "line": {"width": 0.5, "color": "rgba(128,128,128,0.6)"}},
                        hovertemplate=f"{hover}<extra></extra>")  # fmt: skip
            continue
        shares = points(found / max(1, int(found.sum())))
        fig.add_scatter(
            x=edges, y=[*shares, 0.0], mode="lines", line=line(index) | {"shape": "hv"}, name=name,
            customdata=[*ends.tolist(), ends[-1].tolist()],
            hovertemplate=f"%{{fullData.name}}: {hover} (%{{y:.1f}} %)<extra></extra>",
        )  # fmt: skip
    fig.update_xaxes(axis.settings())
    fig.update_yaxes(title_text="runs" if single else "% of runs", rangemode="tozero")
    return finish(fig.update_layout(bargap=0, showlegend=not single), height=HEIGHT)


def cumulative(curves: Sequence[Curve], axis: Axis) -> go.Figure:
    """The share of runs with at most a value (ECDF)."""
    fig, before = go.Figure(), 0
    for index, curve in enumerate(curves):
        numbers = [[None, None, before + place] for place in range(len(curve.x))]
        before += len(numbers)
        fig.add_scatter(
            x=curve.x, y=points(curve.shares), mode="lines", line=line(index) | {"shape": "hv"}, name=curve.name,
            customdata=numbers, meta=f"n = {curve.n:,}",
            hovertemplate="%{fullData.name}: %{y:.1f} % up to %{x:.4g}, %{meta}<extra></extra>",
        )  # fmt: skip
    fig.update_xaxes(axis.settings())
    fig.update_yaxes(title_text="% of runs up to a value", range=[0, 101])
    return finish(fig.update_layout(showlegend=len(curves) > 1), height=HEIGHT)


def boxes(found: Sequence[Box], axis: Axis) -> go.Figure:
    """Quartiles as boxes, whiskers to the outermost values within 1.5 times their distance, the mean dashed."""
    fig = go.Figure()
    for index, box in enumerate(found):
        fig.add_box(
            y=[box.name], q1=[box.q1], median=[box.median], q3=[box.q3], lowerfence=[box.low], upperfence=[box.high],
            mean=[box.mean], boxmean=True, orientation="h", name=box.name,
            line={"color": COLOURS[index % len(COLOURS)]},
            customdata=[[None, None, index]], showlegend=False,
        )  # fmt: skip
    fig.update_xaxes(axis.settings())
    fig.update_yaxes(autorange="reversed", automargin=True)
    return finish(fig, height=110 + 62 * max(2, len(found)))


def scatter(clouds: Sequence[Cloud], x: Axis, y: Axis) -> go.Figure:
    """A point per run; series differ in colour and in shape."""
    fig, before = go.Figure(), 0
    for index, cloud in enumerate(clouds):
        numbers = np.full((len(cloud.x), 3), np.nan)
        numbers[:, 2] = np.arange(before, before + len(numbers))
        before += len(numbers)
        fig.add_scatter(
            x=cloud.x, y=cloud.y, mode="markers", name=cloud.name, customdata=numbers,
            marker={"size": 6, "opacity": 0.55, "symbol": SYMBOLS[index % len(SYMBOLS)],
                    "color": COLOURS[index % len(COLOURS)]},
            hovertemplate="%{fullData.name}: %{x:.4g}, %{y:.4g}<extra></extra>",
        )  # fmt: skip
    fig.update_xaxes(x.settings())
    fig.update_yaxes(y.settings())
    return finish(fig.update_layout(showlegend=len(clouds) > 1), height=HEIGHT + 60)
