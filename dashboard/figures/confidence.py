"""How sure the model was, token by token: surprisal as bars, entropy before the token as a line, both in bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from headscope.analysis.types import TokenTrace
from headscope.dashboard.figures.theme import finish
from headscope.dashboard.text import short
from headscope.dashboard.units import in_bits

MOST_LABELS = 48


@dataclass(frozen=True, slots=True)
class ConfidenceInfo:
    """Arrays `[T]`: bits, NaN for the first token, which nothing predicts. mean_surprisal: over the measured tokens."""

    labels: tuple[str, ...]
    surprisal: NDArray[np.float64]
    entropy: NDArray[np.float64]
    ranks: NDArray[np.int32]
    mean_surprisal: float


def confidence_info(trace: TokenTrace) -> ConfidenceInfo:
    """The numbers of the figure."""
    surprisal = in_bits(-trace.logprobs.astype(np.float64))
    measured = surprisal[np.isfinite(surprisal)]
    return ConfidenceInfo(
        labels=tuple(short(text) for text in trace.tokens.texts),
        surprisal=surprisal,
        entropy=in_bits(trace.entropies.astype(np.float64)),
        ranks=trace.ranks,
        mean_surprisal=float(measured.mean()) if measured.size else float("nan"),
    )


def confidence_figure(info: ConfidenceInfo) -> go.Figure:
    """Bars and line over positions; the dotted line is the mean surprisal, whose number stands in the legend:
    beside the line the bars of a long text would cover it."""
    x, ends = np.arange(len(info.labels)), (-0.6, len(info.labels) - 0.4)
    hover = [[label, str(rank) if rank > 0 else "–"] for label, rank in zip(info.labels, info.ranks, strict=True)]
    fig = go.Figure()
    fig.add_bar(
        x=x, y=info.surprisal, customdata=hover, name="surprisal of the token",
        hovertemplate="%{pointNumber} “%{customdata[0]}”<br>surprisal %{y:.4f} bits<br>rank %{customdata[1]}"
        "<extra></extra>",
    )  # fmt: skip
    fig.add_scatter(
        x=x, y=info.entropy, customdata=hover, name="entropy before it",
        mode="lines+markers" if len(x) <= MOST_LABELS else "lines", marker={"size": 5},
        line={"width": 2 if len(x) <= MOST_LABELS else 1},
        hovertemplate="%{pointNumber} “%{customdata[0]}”<br>entropy before %{y:.4f} bits<extra></extra>",
    )  # fmt: skip
    if np.isfinite(info.mean_surprisal):
        fig.add_scatter(
            x=list(ends), y=[info.mean_surprisal] * 2, name=f"mean surprisal {info.mean_surprisal:.2f}",
            mode="lines", line={"dash": "dot", "width": 2}, hoverinfo="skip",
        )  # fmt: skip
    fig.update_yaxes(title_text="bits", rangemode="tozero")
    fig.update_xaxes(**token_axis(info.labels), range=list(ends))
    fig.update_layout(bargap=0.25)
    return finish(fig, height=270)


def token_axis(labels: tuple[str, ...]) -> dict[str, object]:
    """Tick settings: tokens as labels while they can be read, positions beyond."""
    if len(labels) > MOST_LABELS:
        return {"title": {"text": "token position"}}
    return {"tickmode": "array", "tickvals": list(range(len(labels))), "ticktext": list(labels), "tickangle": -40}
