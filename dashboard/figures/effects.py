"""Means with their intervals, one below the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from headscope.analysis.counts import plural
from headscope.analysis.statistics.effect_rows import EffectRow
from headscope.dashboard.figures.theme import finish


@dataclass(frozen=True, slots=True)
class Estimate:
    """A line: its name, a mean and its 95 % interval (NaN where there is none). counted: over how many of what. said: a
    line more in the hover."""

    name: str
    mean: float
    low: float
    high: float
    counted: str
    said: str = ""


def forest(rows: Sequence[EffectRow], unit: str) -> go.Figure:
    """Mean difference of each contrast (first group minus second), the surest on top, with its 95 % interval where it
    has one; the hover says n, p and how it was worked out."""
    lines = [
        Estimate(_name(row), _known(row.effect), _known(row.low), _known(row.high),
                 plural(row.n_pairs, "pair"), f"adjusted p {_p(row.adjusted_p)}, {row.method}")
        for row in rows
    ]  # fmt: skip
    return estimates(lines, "first group minus second", unit)


def estimates(rows: Sequence[Estimate], quantity: str, unit: str) -> go.Figure:
    """Means in the order given, from the top, with intervals and a line at 0."""
    low, high, mean = (np.array([getattr(row, end) for row in rows]) for end in ("low", "high", "mean"))
    fig = go.Figure()
    fig.add_scatter(
        x=mean, y=list(range(len(rows))), mode="markers", marker={"size": 8}, showlegend=False, meta=unit,
        error_x={"array": high - mean, "arrayminus": mean - low, "width": 0, "thickness": 1.5},
        customdata=[[row.name, _interval(row), row.counted, row.said] for row in rows],
        hovertemplate="%{customdata[0]}<br>%{x:+.4g} %{meta} %{customdata[1]}<br>%{customdata[2]}"
        f"{'<br>%{customdata[3]}' if any(row.said for row in rows) else ''}<extra></extra>",
    )  # fmt: skip
    fig.add_vline(x=0, line={"dash": "dot", "width": 1, "color": "#8a939e"})
    fig.update_xaxes(title_text=f"{quantity}, {unit}")
    fig.update_yaxes(tickmode="array", tickvals=list(range(len(rows))), autorange="reversed", showgrid=False,
                     ticktext=[f"{row.name}, {row.counted}" for row in rows])  # fmt: skip
    return finish(fig, height=max(180, 26 * len(rows) + 90))


def _name(row: EffectRow) -> str:
    return " · ".join(part for part in (f"{row.group_a} − {row.group_b}", row.attribute, row.model) if part)


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _interval(row: Estimate) -> str:
    return "no interval" if math.isnan(row.low) or math.isnan(row.high) else f"[{row.low:.4g}, {row.high:.4g}]"


def _p(p: float | None) -> str:
    return "not worked out" if p is None else "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")
