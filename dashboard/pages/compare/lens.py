"""The logit lens of both runs: target and foil after every layer, drawn, and as a table."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
from dash import html
from dash.development.base_component import Component

from headscope.analysis.types import RunStatus
from headscope.dashboard.cards import extra
from headscope.dashboard.missing import missing_reason
from headscope.dashboard.pages.compare.canvas import packed
from headscope.dashboard.pages.compare.facts import ask_again, missing
from headscope.dashboard.pages.compare.lens_numbers import LensSide, LensToken, lens_tokens, scales, top_tokens
from headscope.dashboard.pages.compare.pair import Pair
from headscope.dashboard.pages.compare.view import sentences
from headscope.dashboard.text import quoted
from headscope.dashboard.units import points, probability
from headscope.dashboard.words import true_minus
from headscope.storage.rows import RunDetail


def lens_view(pair: Pair) -> list[Component] | None:
    """Probability and rank by layer, A | B | A - B; else why there is none."""
    if pair.a.trace is None or pair.b.trace is None:
        return None
    if pair.a.layers is None or pair.b.layers is None:
        sides = [(name, run) for name, run in (("A", pair.a), ("B", pair.b)) if run.layers is None]
        gaps = [_gap(name, run, "layers", "logit lens of target and foil") for name, run in sides]
        return [sentences([*gaps, *ask_again([run for _, run in sides], "layers")])]
    tokens = lens_tokens((pair.a.layers, pair.a.target), (pair.b.layers, pair.b.target))
    if not tokens:
        return [sentences(["Neither run has a target or a foil that the lens could be asked for."])]
    tops = top_tokens(pair.a.lens), top_tokens(pair.b.lens)
    notes = [
        *(token.apart for token in tokens if token.apart),
        *([] if any(token.role == "foil" for token in tokens) else ["Neither run has a foil."]),
        "One scale for all three: A − B reaches as far to either side as A and B do, and ranks are on a logarithmic "
        "scale, where the difference is their ratio. Point at a layer for its numbers, or walk with the arrow keys. "
        "The lens reads early layers with the last layer’s dictionary.",
        *_without_tops(pair),
    ]
    return [_canvases(tokens, tops), _details(tokens, tops), *(html.P(text, className="hs-muted") for text in notes)]


def _gap(name: str, run: RunDetail, part: str, what: str) -> str:
    """Why run `name` has no `what`: the stored reason, where one was stored."""
    reason = missing_reason(run, part)
    if reason is None or run.row.status is not RunStatus.SUCCEEDED:
        return missing(name, run, what)
    return f"Run {name} has no {what}: {reason.rstrip('.')}."


def _without_tops(pair: Pair) -> list[str]:
    lacking = [(name, run) for name, run in (("A", pair.a), ("B", pair.b)) if run.lens is None]
    return [_gap(name, run, "logit_lens", "top token of each layer (analysis “logit_lens”)") for name, run in lacking]


def _canvases(tokens: Sequence[LensToken], tops: tuple[Sequence[str], Sequence[str]]) -> Component:
    """What assets/90_pages/compare/lens.js draws."""
    top, rank = scales(tuple(tokens))
    view = {
        "top": top or 1.0,
        "rank": max(10.0, rank),
        "tops": tops,
        "tokens": [
            {
                "role": token.role,
                "a": _side(token.a),
                "b": _side(token.b),
                "prob": packed(token.prob_difference),
                "rank": packed(token.rank_ratio),
            }
            for token in tokens
        ],
    }
    return html.Div(className="hs-compare-lens", **extra(data_compare_lens=json.dumps(view)))


def _side(side: LensSide | None) -> dict[str, str] | None:
    return None if side is None else {"text": side.text, "prob": packed(side.probs), "rank": packed(side.ranks)}


def _details(tokens: Sequence[LensToken], tops: tuple[Sequence[str], Sequence[str]]) -> Component:
    """The same numbers as a table, for reading without the picture."""
    said = [("A", tops[0]), ("B", tops[1])]
    groups = [html.Th(_heading(token), colSpan=6, scope="colgroup") for token in tokens]
    columns = [html.Th(text, scope="col") for _ in tokens for text in ("A", "B", "A − B", "rank A", "B", "A − B")]
    shown = [f"top of {name}" for name, texts in said if texts]
    head = html.Thead([
        html.Tr([html.Td(), *groups, *(html.Td() for _ in shown)]),
        html.Tr([html.Th("layer", scope="col"), *columns, *(html.Th(text, scope="col") for text in shown)]),
    ])  # fmt: skip
    depth = max(len(side.probs) for token in tokens for side in (token.a, token.b) if side is not None)
    rows = [
        html.Tr([
            html.Th(str(layer), scope="row"),
            *(html.Td(text, className="num") for token in tokens for text in _cells(token, layer)),
            *(html.Td(quoted(texts[layer]) if layer < len(texts) else "–") for _, texts in said if texts),
        ])
        for layer in range(depth)
    ]  # fmt: skip
    table = html.Table([head, html.Tbody(rows)], className="hs-table hs-compare-lens-table")
    return html.Details(
        [html.Summary("The numbers as a table"), html.Div(table, className="hs-scroll-x")],
        className="hs-compare-numbers",
    )


def _heading(token: LensToken) -> str:
    texts = dict.fromkeys(quoted(side.text) for side in (token.a, token.b) if side is not None)
    return f"{token.role} {' and '.join(texts)}"


def _cells(token: LensToken, layer: int) -> list[str]:
    """Probability A, B, A - B in percentage points; rank A, B, A - B."""
    probs, ranks = (
        [float(values[layer]) if layer < len(values) else math.nan for values in pair]
        for pair in (
            (_of(token.a, "probs"), _of(token.b, "probs"), token.prob_difference),
            (_of(token.a, "ranks"), _of(token.b, "ranks")),
        )
    )
    apart = math.nan if token.apart else ranks[0] - ranks[1]
    return [probability(probs[0]), probability(probs[1]), _points(probs[2]), _rank(ranks[0]), _rank(ranks[1]),
            _rank(apart, signed=True)]  # fmt: skip


def _of(side: LensSide | None, name: str) -> np.ndarray:
    return np.empty(0) if side is None else getattr(side, name)


def _points(value: float) -> str:
    return "–" if math.isnan(value) else true_minus(f"{points(value):+.2f} pp")


def _rank(value: float, signed: bool = False) -> str:
    if math.isnan(value):
        return "–"
    return true_minus(f"{value:+,.0f}") if signed and value else f"{value:,.0f}"
