"""Layer by layer: how the prediction forms, and how large the updates are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from headscope.analysis.types import Float32, LayerSummary, Target
from headscope.dashboard.figures.theme import COLORWAY, finish
from headscope.dashboard.text import quoted


@dataclass(frozen=True, slots=True)
class FormationCurve:
    """Probability and rank `[layer]` of one token under the lens; `role` is `top`, `target` or `foil`."""

    role: str
    token: str
    probs: Float32
    ranks: Float32


def formation_curves(layers: LayerSummary, token: str, target: Target | None) -> tuple[FormationCurve, ...]:
    """The model's own top token, then a given target that is another one, then the foil, as far as measured."""
    curves = [FormationCurve("top", token, layers.lens_prob, layers.lens_rank)]
    if target is not None and target.rank != 1:
        probs = np.exp(layers.lens_target_logprob)
        curves.append(FormationCurve("target", target.text, probs, layers.lens_target_rank))
    if target is not None and target.foil_text is not None:
        probs = np.exp(layers.lens_foil_logprob)
        curves.append(FormationCurve("foil", target.foil_text, probs, layers.lens_foil_rank))
    return tuple(curve for curve in curves if np.isfinite(curve.probs).any())


def formation_figure(layers: LayerSummary, token: str, target: Target | None = None) -> go.Figure:
    """Probability and rank under the lens of the final prediction, target and foil, and KL(final || lens), at the last
    position."""
    curves = formation_curves(layers, token, target)
    x, several = np.arange(len(layers.kl_to_final)), len(curves) > 1
    first = "probability" if several else f"probability of {quoted(token, 14)}"
    titles = (first, "rank (log scale)", "KL to the final distribution, nats")
    fig = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=titles)
    rows = [
        *((1, curve, curve.probs, "probability %{y:.5f}") for curve in curves),
        *((2, curve, curve.ranks, "rank %{y:,.0f}") for curve in curves),
        (3, None, layers.kl_to_final, "KL %{y:.5f} nats"),
    ]
    for row, curve, values, what in rows:
        colour = COLORWAY["light"][0 if curve is None else curves.index(curve)]
        name = "" if curve is None else f"{curve.role} {quoted(curve.token, 14)}"
        whose = "%{fullData.name}<br>" if name else ""  # not the text itself: a template is no place for one
        hover = f"{whose}after layer %{{x}}<br>{what}<extra></extra>"
        fig.add_scatter(x=x, y=values, mode="lines+markers", marker={"size": 5, "color": colour}, name=name,
                        line={"color": colour}, legendgroup=name, showlegend=several and row == 1, row=row, col=1,
                        hovertemplate=hover)  # fmt: skip
    if several:
        fig.update_layout(legend={"y": 1.08}, margin={"t": 60})
    fig.update_yaxes(range=[0, 1.03], row=1, col=1)
    fig.update_yaxes(type="log", autorange="reversed", dtick=1, row=2, col=1)
    fig.update_yaxes(rangemode="tozero", row=3, col=1)
    fig.update_xaxes(title_text="layer", row=3, col=1)
    fig.update_annotations(font_size=12, x=0, xanchor="left")
    return finish(fig, height=430)


def norms_figure(layers: LayerSummary) -> go.Figure:
    """L2 norms at the last position: the residual stream after each layer, and what attention and MLP add to it."""
    x = np.arange(len(layers.residual_norm))
    fig = go.Figure()
    series = (
        ("residual stream after the layer", layers.residual_norm),
        ("attention update", layers.attn_update_norm),
        ("MLP update", layers.mlp_update_norm),
    )
    for name, values in series:
        fig.add_scatter(x=x, y=values, name=name, mode="lines+markers", marker={"size": 5},
                        hovertemplate=f"layer %{{x}}<br>{name} %{{y:.4f}}<extra></extra>")  # fmt: skip
    fig.update_yaxes(title_text="L2 norm (log scale)", type="log", exponentformat="power")
    fig.update_xaxes(title_text="layer")
    return finish(fig, height=430)
