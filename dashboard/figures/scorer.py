"""What a threshold of a classifier costs: pure functions of counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from headscope.analysis.statistics.prevalence import ErrorCounts
from headscope.dashboard.figures.behaviour import line
from headscope.dashboard.figures.theme import finish


@dataclass(frozen=True, slots=True)
class Cost:
    """A threshold in percent, what a classifier got right and wrong at it, and whether it is the shipped one."""

    percent: int
    errors: ErrorCounts
    shipped: bool

    @property
    def precision(self) -> float:
        """Share of what it calls toxic that is; NaN where it calls nothing so."""
        said = self.errors.true_positives + self.errors.false_positives
        return self.errors.true_positives / said if said else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.errors.positives + self.errors.true_positives + self.errors.false_positives
        return 2 * self.errors.true_positives / total if total else math.nan


def threshold_curves(costs: Sequence[Cost]) -> go.Figure:
    """Precision, recall, false positive rate and F1 by threshold; the shipped one is dotted."""
    fig = go.Figure()
    at = [cost.percent / 100 for cost in costs]
    curves = {
        "precision": [cost.precision for cost in costs],
        "recall": [cost.errors.sensitivity for cost in costs],
        "false positives": [1 - cost.errors.specificity for cost in costs],
        "F1": [cost.f1 for cost in costs],
    }
    for index, (name, values) in enumerate(curves.items()):
        fig.add_scatter(x=at, y=values, mode="lines", line=line(index), name=name,
                        hovertemplate="%{fullData.name} %{y:.3f} from %{x:.2f} on<extra></extra>")  # fmt: skip
    for cost in costs:
        if cost.shipped:
            fig.add_vline(x=cost.percent / 100, line={"dash": "dot", "width": 1, "color": "#8a939e"})
    fig.update_xaxes(title_text="threshold", range=[0, 1])
    fig.update_yaxes(title_text="share", range=[-0.02, 1.02])
    return finish(fig, height=320)
