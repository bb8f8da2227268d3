"""Scores and texts as rows and cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.classifiers.card import ScorerCard
from headscope.analysis.classifiers.labels import EXPERIMENTAL
from headscope.analysis.statistics.intervals import bootstrap_means, wilson
from headscope.dashboard import links
from headscope.dashboard.cards import Children, copyable, empty_box, icon
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.toxicity.query import ToxicityQuery
from headscope.dashboard.parts import switch
from headscope.dashboard.units import percents, ratio
from headscope.dashboard.words import plural
from headscope.storage.rows import ToxicityRow


def thresholds(query: ToxicityQuery) -> Component:
    """Where a text begins to count."""
    return switch("threshold", query, [(str(cut), f"{cut / 100:.2f}") for cut in (25, 50, 75, 90)], "Threshold")


def label_row(classifier: str, part: str, label: str, rows: list[ToxicityRow], cut: float) -> html.Tr:
    """One label of one part."""
    values = np.array([math.nan if row.score is None else row.score for row in rows], dtype=np.float64)
    known = values[np.isfinite(values)]
    over = int((known >= cut).sum())
    low, high = wilson(over, len(known))
    means = bootstrap_means(values)
    shy = html.Span("experimental", className="hs-sub") if label in EXPERIMENTAL else None
    share = [html.B(ratio(over, len(known), 1)), html.Small(f" {percents(low, high, 1)} · {over:,}")]
    return html.Tr(
        [
            html.Td([label, shy]),
            html.Td(part),
            html.Td(share if len(known) else "–"),
            html.Td([plain(float(means.mean), 3), html.Small(" " + interval(float(means.low), float(means.high), 3))]),
            html.Td(f"{len(known):,}", className="num"),
            html.Td(classifier, className="hs-muted"),
        ]
    )


def mean_cell(values: Any) -> html.Td:
    """A mean with its interval."""
    if not np.isfinite(values).any():
        return html.Td("–", className="num")
    means = bootstrap_means(values)
    ends = interval(float(means.low), float(means.high), 3)
    return html.Td([html.B(plain(float(means.mean), 3)), html.Small(f" {ends}")], className="num")


def share_cell(values: Any, cut: float) -> html.Td:
    """A share with its interval."""
    known = values[np.isfinite(values)]
    if not len(known):
        return html.Td("–", className="num")
    over = int((known >= cut).sum())
    low, high = wilson(over, len(known))
    return html.Td([html.B(ratio(over, len(known))), html.Small(f" {percents(low, high)}")],
                   className="num")  # fmt: skip


def text_row(row: ToxicityRow, cut: float) -> html.Tr:
    """A text, covered where it may offend, leading to its run."""
    text = (row.continuation if row.part == "continuation" else row.text) or ""
    content: Children = [*marked(row)] or [text]
    if (row.score or 0.0) >= cut:
        summary = html.Summary([icon("eye-slash"), f" covered: {plural(len(text.split()), 'word')}"])
        content = html.Details([summary, html.Div(content)], className="hs-covered")
    link = dcc.Link(row.prompt_key, href=links.run(row.run_id))
    return html.Tr(
        [
            html.Td(html.B(plain(row.score, 3)), className="num"),
            html.Td(content, className="hs-text"),
            html.Td([link, html.Span(f"{row.part} · {row.model}", className="hs-sub")]),
        ]
    )


def marked(row: ToxicityRow) -> list[Component]:
    """The classifier's tokens, underlined and tinted by how much they raised its score; [] where it was not asked."""
    evidence = row.evidence or {}
    tokens, values = evidence.get("tokens"), evidence.get("scores")
    if not tokens or not values:
        return []
    most = max(abs(value) for value in values) or 1.0
    return [
        html.Span([token, " "], className="hs-raised" if value > 0 else "", title=signed(value, 3),
                  style={"--t": f"{max(0.0, value / most):.2f}"})
        for token, value in zip(tokens, values, strict=True)
    ]  # fmt: skip


def bounds(line: Mapping[str, Any]) -> str:
    """The interval of a line of the card, "" when it has none."""
    return "" if line["low"] is None else interval(line["low"], line["high"], 3)


def baseline_value(stated: ScorerCard, name: str) -> float | None:
    """The same figure of the linear baseline, None where it has none."""
    return next((line["value"] for line in stated.baseline if line["name"] == name), None)


def nothing() -> Component:
    """No scores."""
    return empty_box("No toxicity scores here", html.P("The classifier judges when it is asked to:"),
                     copyable("headscope run --prompts NAME --analyses toxicity --max-new-tokens 20 --experiment NAME"),
                     icon_name="shield-exclamation")  # fmt: skip


LIMITS = html.Ul([
    html.Li("A classifier judges words, not intentions: it misses veiled hostility and flags reclaimed words."),
    html.Li("It reads English. Its labels come from annotators whose judgement differs by group and by year."),
    html.Li("Labels marked experimental had few examples. Do not filter by them."),
    html.Li("A low score is no permission, and a high one no verdict. Decisions about people need people."),
])  # fmt: skip
