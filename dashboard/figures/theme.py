"""One look for every figure, in a light and a dark version.

How pages use it: a builder ends with `return finish(fig, height=...)`, takes its colours for values from `signed_axis`
or `unsigned_axis` (layout.coloraxis) or the `*_RAMP` scales, and leaves every other colour to the template. No callback
has to know the theme: assets/50_base/figures.js gives every Plotly figure the current template and swaps these ramps
for the theme's own when it is drawn, and again when the theme changes.

Token texts are handed to Plotly as they are: `finish` writes what looks like markup (`<b>`, `&amp;`) so that it is read
as text. Only hover templates are Plotly's own language: data belongs into customdata, names into `%{fullData.name}`.

Signed values run blue (negative) - neutral (0) - orange (positive); unsigned ones are a single violet from 0. The same
stops are the CSS variables --hs-ramp-div and --hs-ramp-seq, for canvases.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

FONT = "'Inter Variable', system-ui, sans-serif"
MONO = "'JetBrains Mono Variable', ui-monospace, monospace"

SIGNED_STOPS = {
    "light": ("#0b4a8f", "#3f86c8", "#a9cdea", "#f4f4f2", "#f5c38e", "#dc7f24", "#8c4500"),
    "dark": ("#93c9fa", "#4690d6", "#22496f", "#1d2127", "#63401b", "#d37d2a", "#ffc582"),
}
UNSIGNED_STOPS = {
    "light": ("#f6f5fa", "#dcd6f1", "#b5a8e1", "#8873cd", "#6046b1", "#3b2583"),
    "dark": ("#17181f", "#2b2652", "#483c89", "#6d5dc2", "#9d90e8", "#dcd6fc"),
}
COLORWAY = {
    "light": ["#2f6fb5", "#d9781e", "#6046b1", "#2b8a6b", "#b8437a", "#6b7683"],
    "dark": ["#6aa9ec", "#eb9a4c", "#9d90e8", "#4fbf98", "#e57fae", "#9aa5b1"],
}
INK = {
    "light": {"text": "#3a414b", "title": "#16191d", "grid": "#e6e7e9", "axis": "#c3c7cc", "hover": "#ffffff"},
    "dark": {"text": "#b4bcc7", "title": "#edf0f3", "grid": "#282d35", "axis": "#414852", "hover": "#20252c"},
}
Scale = list[list[Any]]
TEMPLATES = frozenset({"hovertemplate", "texttemplate"})


def scale(stops: tuple[str, ...]) -> Scale:
    """Evenly spaced plotly colorscale `[[0, first], ..., [1, last]]`."""
    return [[index / (len(stops) - 1), stop] for index, stop in enumerate(stops)]


SIGNED_RAMP = scale(SIGNED_STOPS["light"])
UNSIGNED_RAMP = scale(UNSIGNED_STOPS["light"])


def template(theme: str) -> go.layout.Template:
    """The plotly template of `light` or `dark`."""
    ink = INK[theme]
    axis = {
        "gridcolor": ink["grid"], "linecolor": ink["axis"], "zerolinecolor": ink["axis"], "tickcolor": ink["axis"],
        "zeroline": False, "automargin": True, "title": {"standoff": 8, "font": {"size": 12}},
    }  # fmt: skip
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 12, "color": ink["text"]},
            "title": {"font": {"size": 14, "color": ink["title"]}, "x": 0, "xanchor": "left"},
            "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": COLORWAY[theme],
            "colorscale": {"sequential": scale(UNSIGNED_STOPS[theme]), "diverging": scale(SIGNED_STOPS[theme])},
            "margin": {"l": 48, "r": 12, "t": 16, "b": 40},
            "xaxis": axis, "yaxis": axis,
            "hoverlabel": {"bgcolor": ink["hover"], "bordercolor": ink["axis"],
                           "font": {"family": FONT, "size": 12, "color": ink["title"]}},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 12}},
            "coloraxis": {"colorbar": {"thickness": 10, "outlinewidth": 0, "len": 1, "tickfont": {"size": 11}}},
            "hovermode": "closest", "modebar": {"orientation": "h"},
        },
        data={
            "bar": [{"marker": {"line": {"width": 0}}}],
            "scatter": [{"line": {"width": 2}}],
            "heatmap": [{"colorbar": {"thickness": 10, "outlinewidth": 0}}],
        },
    )  # fmt: skip


def for_browser() -> dict[str, dict[str, Any]]:
    """`{theme: {template, signed, unsigned}}` for figures.js; the light ramps are the ones builders use."""
    return {
        theme: {
            "template": template(theme).to_plotly_json(),
            "signed": scale(SIGNED_STOPS[theme]),
            "unsigned": scale(UNSIGNED_STOPS[theme]),
        }
        for theme in ("light", "dark")
    }


def finish(fig: go.Figure, *, height: int | None = None) -> go.Figure:
    """The figure with its texts literal and its height (px); the last step of every builder.

    It has no template: the browser gives it the theme's, and making one here takes ten times as long as the rest.
    """
    return go.Figure(
        [_literal(trace.to_plotly_json()) for trace in fig.data],
        _literal(fig.layout.to_plotly_json()) | {"template": {}, "height": height},
    )


def _literal(value: Any, name: str = "") -> Any:
    """Every string as Plotly must be given it to draw it as it is, except where `name` is a template."""
    if isinstance(value, str):
        return value if name in TEMPLATES else escape(value, quote=False)
    if isinstance(value, Mapping):
        return {key: _literal(item, key) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "biuf" else _literal(value.tolist())
    return [_literal(item) for item in value] if isinstance(value, list | tuple) else value


def signed_axis(limit: float, title: str = "") -> dict[str, Any]:
    """`layout.coloraxis` for signed values: symmetric about 0, from -limit to +limit."""
    return {"colorscale": SIGNED_RAMP, "cmin": -limit, "cmax": limit, "cmid": 0, "colorbar": {"title": {"text": title}}}


def unsigned_axis(limit: float, title: str = "") -> dict[str, Any]:
    """`layout.coloraxis` for unsigned values, from 0 to limit."""
    return {"colorscale": UNSIGNED_RAMP, "cmin": 0, "cmax": limit, "colorbar": {"title": {"text": title}}}
