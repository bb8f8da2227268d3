"""What both sides expect next, in one table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from headscope.dashboard.numbers import signed
from headscope.dashboard.pages.compare.facts import Tokenizers
from headscope.dashboard.pages.compare.numbers import Candidate
from headscope.dashboard.text import quoted
from headscope.dashboard.units import points, probability

CANDIDATES_SHOWN = 12
CANDIDATE_THRESHOLD = 0.005
MATCHED: dict[Tokenizers, str] = {
    "same": "by token",
    "different": "by their text, because the tokenizers differ",
    "unknown": "by their text, because the ids of a model behind an API are not known",
}


def candidates_view(rows: Sequence[Candidate], everything: bool, tokenizers: Tokenizers) -> list[Component]:
    """The candidates of both sides in one table; a probability that was not stored shows as what it is at most."""

    def moved(row: Candidate) -> bool:
        return math.isnan(row.difference) or abs(row.difference) >= CANDIDATE_THRESHOLD

    shown = [row for index, row in enumerate(rows)
             if everything or row.role or (index < CANDIDATES_SHOWN and moved(row))]  # fmt: skip
    top = max((p for row in rows for p in (row.prob_a, row.prob_b) if not math.isnan(p)), default=1.0)
    span = max((abs(row.difference) for row in rows if not math.isnan(row.difference)), default=0.0)
    head = html.Thead(html.Tr([html.Th(text, scope="col") for text in ("Token", "A", "B", "A − B")]))
    body = html.Tbody([
        html.Tr(
            [html.Th([quoted(row.text), _role(row)], scope="row"),
             _probability(row.prob_a, row.bound_a, row.rank_a, top),
             _probability(row.prob_b, row.bound_b, row.rank_b, top), _difference(row, span)]
        )
        for row in shown
    ])  # fmt: skip
    rest = len(rows) - len(shown)
    hidden = f" {rest} more: less than 0.5 percentage points apart, or of a lower rank." if rest else ""
    agree = "The leading candidates agree to within 0.5 percentage points."
    if not shown:
        return [html.P(agree)]
    if not any(map(moved, shown)):
        hidden = f" {agree}"
    return [html.Table([head, body], className="hs-compare-candidates"),
            html.P(f"Matched {MATCHED[tokenizers]}. “≤” marks a token outside the stored candidates of that side."
                   f"{hidden}", className="hs-muted")]  # fmt: skip


def _role(row: Candidate) -> Component | None:
    return html.Small(row.role) if row.role else None


def _probability(p: float, bound: float, rank: int | None, top: float) -> html.Td:
    if math.isnan(p):
        return html.Td([html.Span(f"≤ {probability(bound)}", className="hs-num hs-muted")], className="bound")
    return html.Td(
        [html.I(style={"--t": f"{p / top:.4f}"}), html.Span(probability(p), className="hs-num"), html.Small(f"#{rank}")]
    )


def _bounds(row: Candidate) -> str:
    """What is known of A - B, in percentage points, when one side is only known to be at most its bound."""
    low, high = (
        (row.prob_a - row.bound_b, row.prob_a) if math.isnan(row.prob_b) else (-row.prob_b, row.bound_a - row.prob_b)
    )
    if low >= 0:
        return f"≥ {signed(points(low), 2)}"
    if high <= 0:
        return f"≤ {signed(points(high), 2)}"
    return f"{signed(points(low), 2)} to {signed(points(high), 2)}"


def _difference(row: Candidate, span: float) -> html.Td:
    delta = row.difference
    if math.isnan(delta):
        return html.Td(html.Span(f"{_bounds(row)} pp", className="hs-num hs-muted"))
    tone = "negative" if delta < 0 else "positive"
    return html.Td(
        [html.I(className=tone, style={"--t": f"{abs(delta) / span if span else 0:.4f}"}),
         html.Span(f"{signed(points(delta), 2)} pp", className="hs-num")], className="delta",
    )  # fmt: skip
