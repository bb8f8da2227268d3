"""Activation patching as a map: layer x position, what one activation of the clean prompt brings back."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from headscope.analysis.types.patching import PatchResult
from headscope.dashboard.figures.theme import finish, signed_axis
from headscope.dashboard.text import short


def recovers(result: PatchResult) -> bool:
    """Whether recovery is defined: the two prompts differ in the explained quantity."""
    return bool(np.isfinite(result.recovery).any())


def position_labels(result: PatchResult) -> list[str]:
    """One label per position; where the prompts differ, both tokens."""
    pairs = zip(result.clean.texts, result.corrupted.texts, strict=True)
    return [short(a) if a == b else f"{short(a)} | {short(b)}" for a, b in pairs]


def differing(result: PatchResult) -> list[int]:
    """Positions whose tokens differ."""
    return np.flatnonzero(result.clean.ids != result.corrupted.ids).tolist()


def patch_figure(result: PatchResult, cell: tuple[int, int] | None) -> go.Figure:
    """Heat map, layers upwards: recovery (0 nothing, 1 all of the difference), or the change in nats where the prompts
    do not differ in the quantity. A frame marks `cell` (layer, position)."""
    share = recovers(result)
    values = result.recovery if share else result.patched - result.corrupted_value
    limit = max(float(np.nanmax(np.abs(values), initial=0.0)), 1.0 if share else 1e-6)
    labels, differs = position_labels(result), set(differing(result))
    layers, positions = values.shape
    names = [
        f"{position}: {label}{' (differs)' if position in differs else ''}" for position, label in enumerate(labels)
    ]
    text = np.broadcast_to(np.array(names, dtype=object), values.shape)
    fig = go.Figure(
        go.Heatmap(
            z=values, x=list(range(positions)), y=list(range(layers)), coloraxis="coloraxis", xgap=1, ygap=1,
            customdata=np.dstack([text, result.patched.astype(object)]),
            hovertemplate="layer %{y}, position %{customdata[0]}<br>"
            + ("recovery %{z:.3f}<br>" if share else "change %{z:+.4f} nats<br>")
            + "quantity %{customdata[1]:.4f} nats<extra></extra>",
        )
    )  # fmt: skip
    if cell is not None:
        layer, position = cell
        fig.add_shape(type="rect", x0=position - 0.5, x1=position + 0.5, y0=layer - 0.5, y1=layer + 0.5,
                      line={"width": 2, "color": "#d6336c"})  # fmt: skip
    fig.update_layout(coloraxis=signed_axis(limit, "recovery" if share else "nats"))
    fig.update_xaxes(tickmode="array", tickvals=list(range(positions)), ticktext=labels, tickangle=-40, showgrid=False)
    fig.update_yaxes(title_text="layer", showgrid=False)
    return finish(fig, height=max(320, 15 * layers + 140))
