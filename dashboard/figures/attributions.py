"""What each token has to do with the answer, by several methods above each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from headscope.dashboard.figures.confidence import token_axis
from headscope.dashboard.figures.theme import COLORWAY, finish

AGAINST, FOR = COLORWAY["light"][:2]
TALL, EDGES = 150, 110
"""Pixels of one method, and around them all."""


@dataclass(frozen=True, slots=True)
class TokenScores:
    """One method's scores `[T]`, NaN where unmeasured, and how far each may be off, empty where it does not say.
    evidence: what is known of how far it can be believed."""

    method: str
    unit: str
    scores: NDArray[np.floating]
    errors: NDArray[np.floating]
    evidence: str


def token_scores(rows: Sequence[TokenScores], labels: tuple[str, ...]) -> go.Figure:
    """Bars over tokens, a panel per method: methods have units of their own, so each has its own scale."""
    titles = [f"{row.method} ({row.unit}) · {row.evidence}" for row in rows]
    height = TALL * len(rows) + EDGES
    fig = make_subplots(rows=len(rows), cols=1, shared_xaxes=True, subplot_titles=titles,
                        vertical_spacing=min(0.9 / max(1, len(rows) - 1), 36 / height))  # fmt: skip
    for place, row in enumerate(rows, start=1):
        scores = np.asarray(row.scores, dtype=np.float64)
        fig.add_bar(
            x=list(range(len(labels))), y=scores, name=row.method, showlegend=False, customdata=list(labels),
            marker={"color": [FOR if score >= 0 else AGAINST for score in scores]}, meta=row.unit,
            error_y={"array": np.asarray(row.errors, dtype=np.float64), "width": 0, "thickness": 1}
            if len(row.errors) else None,
            hovertemplate="%{x} “%{customdata}”<br>%{y:+.4g} %{meta}<extra>%{fullData.name}</extra>",
            row=place, col=1,
        )  # fmt: skip
    fig.update_xaxes(**token_axis(labels), row=len(rows), col=1)
    fig.update_annotations(font_size=12, x=0, xanchor="left")
    fig.update_layout(bargap=0.25, margin={"t": 32})
    return finish(fig, height=height)
