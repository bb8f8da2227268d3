"""Two texts as aligned columns: A above B above A - B, in units both sides have."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from dash import html
from dash.development.base_component import Component
from numpy.typing import NDArray

from headscope.analysis.types import TokenTrace
from headscope.dashboard.cards import extra
from headscope.dashboard.numbers import decimals_for, fixed, signed, significant
from headscope.dashboard.pages.compare.numbers import Gap, Unit, changed_units, largest, with_gaps
from headscope.dashboard.pages.compare.pair import Aligned
from headscope.dashboard.text import in_line, quoted

Array = NDArray[np.floating]


def units_view(
    data: Aligned, a: Array, b: Array, *, everything: bool, threshold: float, is_signed: bool, unit: str
) -> list[Component]:
    """Both texts as aligned columns: A above B above A - B, with one scale for A and B.

    `a`, `b`: float `[unit]`. Units that agree in text and differ by no more than `threshold` fold away.
    """
    difference = a - b
    changed = changed_units(data.units, a, b, threshold)
    shown: Sequence[int | Gap] = range(len(changed)) if everything else with_gaps(changed)
    scale, span = largest(a, b), largest(difference)
    decimals = decimals_for(scale)
    columns: list[Component] = [_names()]
    for item in shown:
        if isinstance(item, Gap):
            text = "".join(u.text_a or u.text_b or "" for u in data.units[item.start : item.stop])
            columns.append(_fold(item.stop - item.start, text))
            continue
        row = data.units[item]
        cells = [
            _chip(_pieces(data.a, row.a), float(a[item]), scale, decimals, is_signed, "a"),
            _chip(_pieces(data.b, row.b), float(b[item]), scale, decimals, is_signed, "b"),
            _delta(float(difference[item]), span, decimals),
        ]
        title = _unit_title(row, float(a[item]), float(b[item]))
        columns.append(html.Div(cells, className=f"hs-unit hs-unit-{row.kind}", title=title))
    return [html.Div(columns, className="hs-units"), legend(scale, span, is_signed, unit)]


def _names() -> html.Div:
    return html.Div([html.Span("A"), html.Span("B"), html.Span("A − B")], className="hs-unit hs-unit-names")


def _fold(count: int, text: str) -> html.Button:
    return html.Button(
        f"{count} unchanged",
        type="button",
        className="hs-unit hs-unit-fold",
        title=f"Show everything: {text}",
        **extra(data_compare_set="all=1"),
    )


def _pieces(trace: TokenTrace, span: tuple[int, int]) -> list[str]:
    return [text for text in trace.tokens.texts[span[0] : span[1]] if text] or (["◦"] if span[1] > span[0] else [])


def _chip(pieces: list[str], value: float, scale: float, decimals: int, is_signed: bool, side: str) -> html.Div:
    """Tokens of a unit, cut where the tokenizer cuts, over their number."""
    if not pieces:
        return html.Div([html.Span("∅", className="t"), html.Span("not in " + side.upper(), className="n")],
                        className="hs-cell absent")  # fmt: skip
    tone = "negative" if is_signed and value < 0 else "positive" if is_signed else "plain"
    known = not math.isnan(value)
    strength = abs(value) / scale if known and scale > 0 else 0.0
    texts = [html.Span(in_line(piece)) for piece in pieces]
    return html.Div(
        [html.Span(texts, className="t"), html.Span(fixed(value, decimals), className="n")],
        className=f"hs-cell {tone if known else 'unmeasured'}",
        style={"--t": f"{strength:.3f}"},
    )


def _delta(value: float, span: float, decimals: int) -> html.Div:
    known = not math.isnan(value)
    tone = "unmeasured" if not known else "negative" if value < 0 else "positive"
    strength = abs(value) / span if known and span > 0 else 0.0
    text = signed(value, decimals)
    return html.Div(html.Span(text, className="n"), className=f"hs-cell delta {tone}", style={"--t": f"{strength:.3f}"})


def _unit_title(row: Unit, a: float, b: float) -> str:
    sides = (("A", row.text_a, a), ("B", row.text_b, b))
    return "\n".join(
        f"{name} {quoted(text)}: {significant(value, 5)}" if text is not None else f"{name} does not have this"
        for name, text, value in sides
    )


def legend(scale: float, span: float, is_signed: bool, unit: str, tint: bool = True) -> html.Div:
    """The scale that A and B share, and that of the difference. `tint`: of chips, in colours text reads on."""
    suffix = f" {unit}" if unit else ""
    low = f"−{significant(scale)}" if is_signed else "0"
    return html.Div(
        [
            _ramp("A and B", low, f"{significant(scale)}{suffix}", is_signed, tint),
            _ramp("A − B", f"−{significant(span)}", f"+{significant(span)}{suffix}", True, tint) if span else None,
        ],
        className="hs-compare-legend",
    )


def scale_legend(limit: float, is_signed: bool, unit: str) -> html.Div:
    """The one scale of a map."""
    low = f"−{significant(limit)}" if is_signed else "0"
    return html.Div(_ramp("", low, f"{significant(limit)} {unit}", is_signed, False), className="hs-compare-legend")


def _ramp(name: str, low: str, high: str, is_signed: bool, tint: bool) -> html.Span:
    kinds = [kind for kind, on in (("signed", is_signed), ("tint", tint)) if on]
    return html.Span(
        [
            html.Span(name, className="hs-legend-name") if name else None,
            html.Span(low, className="hs-num"),
            html.I(className=" ".join(["hs-ramp", *kinds])),
            html.Span(high, className="hs-num"),
        ],
        className="hs-legend-scale",
    )
