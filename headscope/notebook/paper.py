"""How a figure of the pages looks away from them: on white, with its own template, since no page gives it one."""

from __future__ import annotations

import plotly.graph_objects as go

from headscope.dashboard.figures import theme

WHITE = "#ffffff"


def on_paper(figure: go.Figure, said: str = "") -> go.Figure:
    """The figure, ready to be shown or written by Plotly. said: what is left out of it, stands above it."""
    if said:
        figure.update_layout(title={"text": said, "font": {"size": 13}}, margin={"t": 56})
    return figure.update_layout(template=theme.template("light"), paper_bgcolor=WHITE, plot_bgcolor=WHITE)
