"""Heads over many runs: a map of layer and head, and what looks important against what is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from headscope.dashboard.figures.behaviour import line
from headscope.dashboard.figures.theme import COLORWAY, finish, signed_axis, unsigned_axis

Floats = NDArray[np.float64]
ACROSS, BINS = 3, 24


@dataclass(frozen=True, slots=True)
class HeadMap:
    """One statistic of every head over runs, `[layer, head]`: mean, interval and number of runs. signed: it has a
    natural zero with two sides."""

    name: str
    unit: str
    mean: Floats
    low: Floats
    high: Floats
    n: NDArray[np.int64]
    signed: bool


def head_map(found: HeadMap) -> go.Figure:
    """Heat map, layers upwards; a head without a value has no colour."""
    layers, heads = found.mean.shape
    limit = max(float(np.nanmax(np.abs(found.mean), initial=0.0)), 1e-9)
    unit = f" {found.unit}" if found.unit else ""
    fig = go.Figure(
        go.Heatmap(
            z=found.mean, x=list(range(heads)), y=list(range(layers)), coloraxis="coloraxis", xgap=1, ygap=1,
            customdata=np.dstack([found.low, found.high, found.n]), hoverongaps=False,
            hovertemplate=f"layer %{{y}}, head %{{x}}<br>mean %{{z:.3f}}{unit} "
            "[%{customdata[0]:.3f}, %{customdata[1]:.3f}]<br>%{customdata[2]:,} runs<extra></extra>",
        )
    )  # fmt: skip
    axis = signed_axis(limit, found.unit) if found.signed else unsigned_axis(limit, found.unit)
    fig.update_layout(coloraxis=axis)
    fig.update_xaxes(title_text="head", dtick=1 if heads <= 16 else 4, showgrid=False)
    fig.update_yaxes(title_text="layer", showgrid=False, dtick=1 if layers <= 16 else 4)
    return finish(fig, height=max(300, 14 * layers + 120))


def looks_and_is(looks: HeadMap, removal: HeadMap) -> go.Figure:
    """Every head as a point: mean size of what makes it look important against that of what its removal does."""
    layers, heads = removal.mean.shape
    place = np.argwhere(np.ones((layers, heads), bool))
    fig = go.Figure(
        go.Scatter(
            x=looks.mean.reshape(-1), y=removal.mean.reshape(-1), mode="markers", customdata=place,
            marker={"size": 7, "color": COLORWAY["light"][0], "opacity": 0.65},
            hovertemplate="layer %{customdata[0]}, head %{customdata[1]}<br>looks %{x:.3f}, is %{y:.3f}<extra></extra>",
        )
    )  # fmt: skip
    fig.update_xaxes(title_text=f"looks important: {looks.name}{f', {looks.unit}' if looks.unit else ''}")
    fig.update_yaxes(title_text=f"is important: {removal.name}, {removal.unit}", rangemode="tozero")
    return finish(fig, height=420)


@dataclass(frozen=True, slots=True)
class HeadValues:
    """One statistic of one head, run by run: float64 `[run]`, NaN left out."""

    name: str
    unit: str
    values: Floats


def head_spread(found: Sequence[HeadValues]) -> go.Figure:
    """How each statistic of a head is spread over the runs: a histogram each, three in a row."""
    rows = -(-len(found) // ACROSS)
    names = [item.name for item in found]
    fig = make_subplots(rows=rows, cols=ACROSS, subplot_titles=names, vertical_spacing=0.42 / rows)
    axes: dict[str, object] = {}
    for place, item in enumerate(found):
        counts, edges = np.histogram(item.values[np.isfinite(item.values)], BINS)
        number = place + 1 if place else ""
        fig.add_bar(
            x=(edges[:-1] + edges[1:]) / 2, y=counts, width=np.diff(edges), marker={"color": COLORWAY["light"][0]},
            hovertemplate=f"%{{y:,}} runs around %{{x:.3g}} {item.unit}<extra></extra>",
            xaxis=f"x{number}", yaxis=f"y{number}",
        )  # fmt: skip
        axes[f"xaxis{number}"] = {"title": {"text": item.unit or None}, "nticks": 5, "tickangle": 0}
        axes[f"yaxis{number}"] = {"title": {"text": None if place % ACROSS else "runs"}, "nticks": 4}
    fig.update_layout(axes, bargap=0, showlegend=False, margin={"t": 32})
    return finish(fig.update_annotations(font={"size": 12.5}), height=150 * rows + 40)


def model_profiles(found: Sequence[HeadValues]) -> go.Figure:
    """A line per model (`name`): the statistic of its heads, the most first, over the share of heads."""
    fig = go.Figure()
    for index, item in enumerate(found):
        known = -np.sort(-item.values[np.isfinite(item.values)])
        fig.add_scatter(
            x=100 * (np.arange(len(known)) + 1) / max(1, len(known)), y=known, mode="lines", line=line(index),
            name=item.name, hovertemplate="%{fullData.name}: the first %{x:.0f} % of heads have %{y:.3f} or more"
            "<extra></extra>",
        )  # fmt: skip
    fig.update_xaxes(title_text="% of heads, most first", range=[0, 101])
    fig.update_yaxes(title_text=found[0].unit or "mean" if found else None)
    return finish(fig, height=320)
