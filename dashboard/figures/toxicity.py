"""How toxicity scores are spread: pure functions of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from headscope.dashboard.figures.behaviour import line
from headscope.dashboard.figures.theme import finish
from headscope.dashboard.units import points

TITLES = {"prompt": "Prompts", "continuation": "Continuations"}


@dataclass(frozen=True, slots=True)
class Spread:
    """Texts of one part by score: `bins` of equal width over [0, 1]; threshold: from where a text counts."""

    name: str
    part: str
    bins: tuple[int, ...]
    threshold: float


def score_spread(spreads: Sequence[Spread], *, cumulative: bool = False) -> go.Figure:
    """Percent of texts per bin, or with scores up to the end of each, prompts beside continuations; thresholds are
    dotted."""
    parts = [part for part in TITLES if any(item.part == part for item in spreads)]
    names = list(dict.fromkeys(item.name for item in spreads))
    fig = make_subplots(rows=1, cols=max(1, len(parts)), subplot_titles=[TITLES[part] for part in parts])
    for item in spreads:
        col, total = parts.index(item.part) + 1, sum(item.bins)
        if not total:
            continue
        edges, shares = np.linspace(0, 1, len(item.bins) + 1), points(np.array(item.bins) / total)
        heights = [0.0, *np.cumsum(shares)] if cumulative else [*shares, 0.0]
        first = item.part == next(other.part for other in spreads if other.name == item.name)
        style = line(names.index(item.name)) | ({} if cumulative else {"shape": "hv"})
        fig.add_scatter(
            x=edges, y=heights, mode="lines", line=style,
            name=f"{item.name}", legendgroup=item.name, showlegend=first and len(names) > 1, meta=f"n = {total:,}",
            hovertemplate=_hover(cumulative), row=1, col=col,
        )  # fmt: skip
    for part in parts:
        for cut in sorted({item.threshold for item in spreads if item.part == part}):
            fig.add_vline(x=cut, line={"dash": "dot", "width": 1, "color": "#8a939e"}, row=1, col=parts.index(part) + 1)
    fig.update_xaxes(title_text="score", range=[-0.01, 1.01])
    fig.update_yaxes(rangemode="tozero")
    fig.update_yaxes(title_text="% of texts up to a score" if cumulative else "% of texts", col=1)
    return finish(fig.update_layout(legend={"y": 1.16}, margin={"t": 56}), height=320)


def _hover(cumulative: bool) -> str:
    said = "%{y:.1f} % up to %{x:.2f}" if cumulative else "%{y:.1f} % from %{x:.2f} on"
    return "%{fullData.name}: " + said + ", %{meta}<extra></extra>"
