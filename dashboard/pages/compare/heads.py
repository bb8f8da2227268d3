"""One statistic of every head of both runs, as maps that lead to the head."""

from __future__ import annotations

import numpy as np
from dash import html
from dash.development.base_component import Component
from numpy.typing import NDArray

from headscope.analysis.types import HEAD_STATS
from headscope.dashboard.head_stats import STATS
from headscope.dashboard.numbers import significant, significant_signed
from headscope.dashboard.pages.compare.canvas import map_canvas
from headscope.dashboard.pages.compare.columns import legend
from headscope.dashboard.pages.compare.numbers import largest
from headscope.dashboard.pages.compare.pair import Pair, head
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.compare.view import sentences
from headscope.dashboard.words import shape

Array = NDArray[np.floating]


def heads_view(query: CompareQuery, pair: Pair) -> list[Component] | None:
    """One statistic of every head: A | B | A - B where the shapes match, A | B otherwise."""
    if pair.a.trace is None or pair.b.trace is None:
        return None
    if pair.a.heads is None or pair.b.heads is None:
        return [sentences(pair.gaps("head summaries", "heads"))]
    stat = query.stat if query.stat in HEAD_STATS else HEAD_STATS[0]
    a, b = getattr(pair.a.heads, stat), getattr(pair.b.heads, stat)
    here_a, here_b = head(query, pair) if query.la is not None else (None, None)
    unit, scale, span = STATS[stat][1], largest(a, b), 0.0
    name = stat.replace("_", " ")
    maps = [_map("a", "A", name, unit, a, scale, here_a), _map("b", "B", name, unit, b, scale, here_b)]
    if pair.same_shape:
        span = largest(a - b)
        maps.append(_map("d", "A − B", name, unit, a - b, span, here_a))
        apart = None
    else:
        apart = html.P(
            f"A has {shape(*a.shape[:2])} and B {b.shape[0]} × {b.shape[1]}: head by head there is "
            "no difference to take.",
            className="hs-muted",
        )
    panels = html.Div(maps, className="hs-compare-panels")
    return [panels, legend(scale, span, False, unit, tint=False), *([apart] if apart else [])]


def _map(
    side: str, caption: str, name: str, unit: str, values: Array, limit: float, here: tuple[int, int] | None
) -> html.Figure:
    """`values` `[layer, head]`, drawn with layers left to right; `here` (layer, head) is framed."""
    layers, heads = values.shape
    layer, head_ = here if here is not None else (None, None)
    canvas = map_canvas(
        "head", f"{name[:1].upper()}{name[1:]} of {caption}", values.T, [str(n) for n in range(heads)],
        [str(n) for n in range(layers)], limit, signed=side == "d", side=side, unit=unit, row=head_, column=layer,
    )  # fmt: skip
    return html.Figure([html.Figcaption(f"{caption} · {_extremes(values)}"), canvas])


def _extremes(values: Array) -> str:
    if np.all(np.isnan(values)):
        return "not measured"
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    show = significant_signed if low < 0 else significant
    return f"{show(low)} to {show(high)}"
