"""Attention of both runs: one chosen head on aligned units, and the heads that moved most."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence

import numpy as np
from dash import html
from dash.development.base_component import Component
from numpy.typing import NDArray

from headscope.dashboard.cards import extra
from headscope.dashboard.pages.compare import numbers
from headscope.dashboard.pages.compare.columns import legend
from headscope.dashboard.pages.compare.facts import ask_again, missing
from headscope.dashboard.pages.compare.pair import Aligned, Pair, aligned, head
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.compare.view import select, sentences
from headscope.dashboard.units import percent
from headscope.dashboard.words import plural

Array = NDArray[np.floating]
Head = tuple[int, int]


def attention_view(runs: RecentRuns, query: CompareQuery, pair: Pair) -> list[Component] | None:
    """A | B | A - B of one head each, on aligned units, and the heads that changed most."""
    data = aligned(pair)
    if data is None:
        return None
    a, b = runs.attention(pair.a), runs.attention(pair.b)
    if a is None or b is None:
        sides = (("A", pair.a, a), ("B", pair.b, b))
        gaps = [missing(name, run, "stored attention pattern") for name, run, kept in sides if kept is None]
        return [sentences([*gaps, *ask_again([run for _, run, kept in sides if kept is None], "attention")])]
    change = runs.changes(pair)
    top = numbers.top_heads(change) if change is not None else ()
    head_a, head_b = head(query, pair, default=top[0][:2] if top else (0, 0))
    pooled_a, pooled_b = (
        numbers.pool_attention(a[head_a], data.ranges_a), numbers.pool_attention(b[head_b], data.ranges_b)
    )  # fmt: skip
    panels = _panels(pooled_a, pooled_b, data, head_a, head_b)
    return [_choosers(query, pair, head_a, head_b), *_changed_most(top, (head_a, head_b)), *panels]


def _panels(a: Array, b: Array, data: Aligned, head_a: Head, head_b: Head) -> list[Component]:
    scale, span = numbers.largest(a, b), numbers.largest(a - b)
    labels = [unit.label for unit in data.units]
    figures = [
        _grid(f"A · layer {head_a[0]}, head {head_a[1]}", a, labels, scale),
        _grid(f"B · layer {head_b[0]}, head {head_b[1]}", b, labels, scale),
        _grid("A − B", a - b, labels, span, signed=True),
    ]
    pooling = (
        "Tokens are pooled into units that both sides have: weights are summed over a unit's keys and averaged over "
        "its queries. "
        if data.grouped
        else ""
    )
    lacking = sum(unit.kind in ("only_a", "only_b") for unit in data.units)
    blank = (
        f"{plural(lacking, 'unit')} that only one side has {'is' if lacking == 1 else 'are'} blank on the other. "
        if lacking
        else ""
    )
    note = (
        f"Rows read from columns. {pooling}{blank}Colours on a square-root scale; point at a cell for its weight, draw "
        "a rectangle to see a part larger, double click for all."
    )
    return [
        html.Div(figures, className="hs-compare-panels"),
        legend(scale, span, False, "", tint=False),
        html.P(note, className="hs-muted"),
    ]


def _grid(caption: str, weights: Array, labels: Sequence[str], limit: float, signed: bool = False) -> html.Figure:
    """Attention between units, `[query, key]`, for a canvas that assets/90_pages/compare/attention.js draws: the
    triangle that is not above the diagonal, row by row, as int16 of 32767 a weight of 1; -32768 where a side lacks
    the unit."""
    triangle = weights[np.tril_indices(len(weights))]
    codes = np.where(np.isnan(triangle), -32768, np.rint(32767 * np.nan_to_num(triangle))).astype("<i2")
    grid = {"labels": labels, "limit": limit, "signed": signed, "codes": b64encode(codes.tobytes()).decode()}
    return html.Figure([
        html.Figcaption(caption),
        html.Div(className="hs-compare-grid", **extra(data_compare_grid=json.dumps(grid), data_name=caption)),
    ])  # fmt: skip


def _choosers(query: CompareQuery, pair: Pair, head_a: Head, head_b: Head) -> html.Div:
    """Layer and head of each side; with models of one shape B follows A until it is set apart."""
    apart = not pair.same_shape or query.lb is not None or query.hb is not None
    sides = [("A" if apart else "A and B", "la", "ha", head_a, pair.a.model)]
    if apart:
        sides.append(("B", "lb", "hb", head_b, pair.b.model))
    rows: list[Component] = []
    for name, layer, head_name, (now_layer, now_head), model in sides:
        rows.append(
            html.Div(
                [
                    html.Strong(name),
                    select(layer, "Layer", [(str(n), str(n)) for n in range(model.n_layers)], str(now_layer)),
                    select(head_name, "Head", [(str(n), str(n)) for n in range(model.n_heads)], str(now_head)),
                ],
                className="hs-compare-chooser",
            )
        )
    if pair.same_shape:
        change = f"la={head_a[0]}&ha={head_a[1]}&" + ("lb=&hb=" if apart else f"lb={head_a[0]}&hb={head_a[1]}")
        text = "Same head on both sides" if apart else "Choose another head for B"
        rows.append(html.Button(text, type="button", className="hs-button hs-button-quiet",
                                **extra(data_compare_set=change)))  # fmt: skip
    return html.Div(rows, className="hs-compare-choosers")


def _changed_most(top: Sequence[tuple[int, int, float]], now: tuple[Head, Head]) -> list[Component]:
    """Buttons that lead to the heads whose attention moved most."""
    if not top:
        return []
    buttons = [
        html.Button(
            [f"L{layer} H{head_} ", html.Span(f"{percent(value)}", className="hs-num")],
            type="button",
            title=f"On average {percent(value, 1)} of this head’s attention lies elsewhere",
            **extra(
                data_compare_set=f"la={layer}&ha={head_}&lb=&hb=",
                aria_pressed=str(now == ((layer, head_), (layer, head_))).lower(),
            ),
        )
        for layer, head_, value in top
    ]
    label = html.Span("Attention moved most in", className="hs-muted")
    return [html.Div([label, *buttons], className="hs-compare-top")]
