"""Effects between groups with their intervals, one below the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from headscope.analysis.counts import plural
from headscope.analysis.statistics.effect_rows import EffectRow
from headscope.dashboard.figures.theme import finish


def forest(rows: Sequence[EffectRow], unit: str) -> go.Figure:
    """Mean difference of each contrast (first group minus second), the surest on top, with its 95 % interval where it
    has one; the hover says n, p and how it was worked out."""
    low, high = (np.array([getattr(row, end) for row in rows], dtype=np.float64) for end in ("low", "high"))
    effect = np.array([row.effect for row in rows], dtype=np.float64)
    fig = go.Figure()
    fig.add_scatter(
        x=effect, y=list(range(len(rows))), mode="markers", marker={"size": 8}, showlegend=False, meta=unit,
        error_x={"array": high - effect, "arrayminus": effect - low, "width": 0, "thickness": 1.5},
        customdata=[[_name(row), _interval(row), _p(row.adjusted_p), row.n_pairs, row.method] for row in rows],
        hovertemplate="%{customdata[0]}<br>%{x:+.4g} %{meta} %{customdata[1]}<br>adjusted p %{customdata[2]}, "
        "%{customdata[3]} pairs<br>%{customdata[4]}<extra></extra>",
    )  # fmt: skip
    fig.add_vline(x=0, line={"dash": "dot", "width": 1, "color": "#8a939e"})
    fig.update_xaxes(title_text=f"first group minus second, {unit}")
    fig.update_yaxes(tickmode="array", tickvals=list(range(len(rows))), autorange="reversed", showgrid=False,
                     ticktext=[f"{_name(row)}, {plural(row.n_pairs, 'pair')}" for row in rows])  # fmt: skip
    return finish(fig, height=max(180, 26 * len(rows) + 90))


def _name(row: EffectRow) -> str:
    return " · ".join(part for part in (f"{row.group_a} − {row.group_b}", row.attribute, row.model) if part)


def _interval(row: EffectRow) -> str:
    return "no interval" if row.low is None or row.high is None else f"[{row.low:.4g}, {row.high:.4g}]"


def _p(p: float | None) -> str:
    return "not worked out" if p is None else "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")
