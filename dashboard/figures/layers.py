"""Layer by layer: what the logit lens reads at every position, how the prediction forms, how large the updates are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from analysis.types import LayerSummary, LensTable, TokenTrace
from dashboard.figures.theme import finish
from dashboard.figures.tokens import NATS_PER_BIT, short


@dataclass(frozen=True, slots=True)
class LensView:
    """`[layer][position]`: the top candidate for the token that follows the position, its probability, the entropy of
    the lens distribution (bits), and whether the candidate is already the one the last layer ends with.

    positions: labels of the tokens. decided `[position]`: first layer from which the final candidate stays on top.
    """

    positions: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    probs: NDArray[np.float64]
    entropies: NDArray[np.float64]
    final: NDArray[np.bool_]
    decided: tuple[int, ...]


def lens_view(lens: LensTable, trace: TokenTrace) -> LensView:
    """The numbers of the lens table."""
    final = lens.top_ids == lens.top_ids[-1]
    stays = np.flip(np.logical_and.accumulate(np.flip(final, 0), axis=0), 0)
    return LensView(
        positions=tuple(short(text) for text in trace.tokens.texts),
        texts=lens.top_texts,
        probs=lens.top_probs.astype(np.float64),
        entropies=lens.entropies.astype(np.float64) / NATS_PER_BIT,
        final=final,
        decided=tuple(int(layer) for layer in stays.argmax(axis=0)),
    )


def formation_figure(layers: LayerSummary, token: str) -> go.Figure:
    """Probability and rank of the final prediction under the lens, and KL(final || lens), at the last position."""
    x = np.arange(len(layers.lens_prob))
    titles = (f"probability of “{short(token)}”", "its rank (log scale)", "KL to the final distribution, nats")
    fig = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=titles)
    rows = (
        (layers.lens_prob, "probability %{y:.5f}"),
        (layers.lens_rank, "rank %{y:,.0f}"),
        (layers.kl_to_final, "KL %{y:.5f} nats"),
    )
    for row, (values, what) in enumerate(rows, start=1):
        fig.add_scatter(x=x, y=values, mode="lines+markers", marker={"size": 5}, showlegend=False, row=row, col=1,
                        hovertemplate=f"after layer %{{x}}<br>{what}<extra></extra>")  # fmt: skip
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
