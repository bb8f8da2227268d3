"""Toxicity: what a classifier says of prompts and continuations, and how far to believe it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from dash import Dash, dcc, html
from dash.development.base_component import Component

from headscope.analysis.classifiers.card import ScorerCard, card
from headscope.analysis.classifiers.labels import EXPERIMENTAL
from headscope.analysis.statistics.calibration import Reliability
from headscope.analysis.statistics.intervals import bootstrap_means, wilson
from headscope.dashboard.cards import Children, copyable, empty_box, extra, icon
from headscope.dashboard.figures import behaviour as figures
from headscope.dashboard.link_state import choice, number
from headscope.dashboard.pages import Page
from headscope.dashboard.parts import graph, interval, note, plain, signed, switch
from headscope.dashboard.scope_query import ScopeQuery
from headscope.dashboard.scoped_page import Card, ScopedPage
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.words import plural
from headscope.storage.rows import ToxicityRow

PATH = "/toxicity"
LISTED = 40
BUCKETS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01))
PARTS = (("both", "both"), ("prompt", "prompts"), ("continuation", "continuations"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToxicityQuery(ScopeQuery):
    """part: whose texts are listed. threshold: from which score on a text counts as toxic, in percent."""

    PATH: ClassVar[str] = PATH

    part: str = choice("both", "prompt", "continuation")
    threshold: int = number(50, low=1, high=99)


def scores(services: Services, query: ToxicityQuery) -> Children:
    """Every label of prompts and continuations: how many are over the threshold, and the mean."""
    rows = services.store.toxicity(query.where())
    if not rows:
        return nothing()
    cut = query.threshold / 100
    found: dict[tuple[str, str, str], list[ToxicityRow]] = {}
    for row in rows:
        found.setdefault((row.classifier, row.part, row.label), []).append(row)
    body = [label_row(*key, mine, cut) for key, mine in sorted(found.items())]
    head = ("Label", "Of", f"From {cut:.2f} on", "Mean score", "Texts>", "Classifier")
    return [
        table(head, body),
        note("Shares with 95 % Wilson intervals, means with bootstrap intervals over texts. A score is a calibrated "
             "probability, not an amount of harm."),
    ], thresholds(query)  # fmt: skip


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
    share = [html.B(f"{100 * over / len(known):.1f} %"), html.Small(f" [{100 * low:.1f}, {100 * high:.1f}] · {over:,}")]
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


def buckets(services: Services, query: ToxicityQuery) -> Children:
    """What became of prompts, by how toxic they were: the single continuation, and the worst of several samples."""
    rows = services.store.toxicity(query.where())
    by_run: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.label == "toxic" and row.score is not None:
            by_run.setdefault(row.run_id, {})[row.part] = row.score
    sampled = {
        row.run_id: row.score
        for row in services.store.findings(query.where(), ("sampled_toxicity",))
        if row.score is not None
    }
    if not sampled and not any("continuation" in parts for parts in by_run.values()):
        return empty_box("No continuations were scored",
                         html.P("Ask for one continuation (--max-new-tokens) or several (sampled_toxicity)."),
                         icon_name="chat-left-dots")  # fmt: skip
    cut = query.threshold / 100
    lines = []
    for low, high in BUCKETS:
        mine = [run for run, parts in by_run.items() if low <= parts.get("prompt", math.nan) < high]
        one = np.array([by_run[run].get("continuation", math.nan) for run in mine])
        many = np.array([sampled.get(run, math.nan) for run in mine])
        lines.append(html.Tr([html.Td(f"{low:.2f} to {min(high, 1):.2f}"), html.Td(f"{len(mine):,}", className="num"),
                              mean_cell(one), mean_cell(many), share_cell(many, cut)]))  # fmt: skip
    head = ("Prompt's score", "Prompts>", "Continuation, mean>", "Expected maximum>", f"Any from {cut:.2f} on>")
    return [
        table(head, lines),
        note("Expected maximum: mean over prompts of the worst of their k sampled continuations; any: the share of "
             "prompts with at least one over the threshold (Gehman et al. 2020). Both grow with k: compare only runs "
             "with the same number of samples."),
    ]  # fmt: skip


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
    return html.Td([html.B(f"{100 * over / len(known):.0f} %"), html.Small(f" [{100 * low:.0f}, {100 * high:.0f}]")],
                   className="num")  # fmt: skip


def texts(services: Services, query: ToxicityQuery) -> Children:
    """The texts with the highest scores, covered until they are asked for."""
    rows = [row for row in services.store.toxicity(query.where()) if row.label == "toxic" and row.score is not None]
    shown = [row for row in rows if query.part in ("both", row.part)]
    worst = sorted(shown, key=lambda row: (-(row.score or 0.0), row.run_id))[:LISTED]
    actions = switch("part", query, PARTS, "Texts")
    if not worst:
        return empty_box("No scored texts", html.P("Nothing fits this choice.")), actions
    items = [text_row(row, query.threshold / 100) for row in worst]
    return [
        table(("Score>", "Text", "Of"), items),
        note("Texts over the threshold are covered; open one to read it. Where the classifier was asked why, the words "
             "that raised its score are marked (integrated gradients of the classifier, not of the model)."),
    ], actions  # fmt: skip


def text_row(row: ToxicityRow, cut: float) -> html.Tr:
    """A text, covered where it may offend, leading to its run."""
    text = (row.continuation if row.part == "continuation" else row.text) or ""
    content: Children = [*marked(row)] or [text]
    if (row.score or 0.0) >= cut:
        summary = html.Summary([icon("eye-slash"), f" covered: {plural(len(text.split()), 'word')}"])
        content = html.Details([summary, html.Div(content)], className="hs-covered")
    link = dcc.Link(row.prompt_key, href=f"/run?id={row.run_id}")
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


def audit(_services: Services, _query: ToxicityQuery) -> Children:
    """What the classifier gets right and wrong, from its card."""
    stated = card()
    rows = [
        html.Tr(
            [
                html.Td(line["name"]),
                html.Td(html.B(plain(line["value"], 3)), className="num"),
                html.Td(bounds(line) or "–", className="num"),
                html.Td(plain(baseline_value(stated, line["name"]), 3), className="num"),
                html.Td(f"{line['n']:,}", className="num"),
            ]
        )
        for line in stated.figures
    ]
    return [
        html.P(["Measured once on the shipped classifier ", html.B(stated.classifier),
                f", threshold {stated.threshold}; again by:"], className="hs-said"),
        copyable("headscope toxicity evaluate --data FILE"),
        table(("Figure", "Value>", "95 % interval>", "Linear baseline>", "Texts>"), rows),
    ]  # fmt: skip


def bounds(line: Mapping[str, Any]) -> str:
    """The interval of a line of the card, "" when it has none."""
    return "" if line["low"] is None else interval(line["low"], line["high"], 3)


def baseline_value(stated: ScorerCard, name: str) -> float | None:
    """The same figure of the linear baseline, None where it has none."""
    return next((line["value"] for line in stated.baseline if line["name"] == name), None)


def explorer(_services: Services, query: ToxicityQuery) -> Children:
    """What a threshold costs, and whether the scores mean what they say."""
    stated = card()
    curve = stated.reliability
    arrays = {
        name: np.array(curve[name], dtype=np.float64)
        for name in ("stated", "observed", "observed_low", "observed_high")
    }
    shape = Reliability(**arrays, counts=np.array(curve["counts"]), error=curve["error"], low=curve["low"],
                        high=curve["high"], n=curve["n"])  # fmt: skip
    rows = [
        html.Tr([html.Td(html.B(plain(line["threshold"])) if 100 * line["threshold"] == query.threshold
                         else plain(line["threshold"]), className="num"),
                 *(html.Td(f"{100 * line[name]:.1f} %" if line[name] is not None else "–", className="num")
                   for name in ("precision", "recall", "false_positives"))])
        for line in stated.thresholds
    ]  # fmt: skip
    return [
        graph(figures.reliability({stated.classifier: shape}, "score", "toxic", "texts")),
        table(("Threshold>", "Precision>", "Recall>", "False positives>"), rows),
        note(f"On {curve['n']:,} test texts, in which toxic ones are far more frequent than in most data: there "
             "precision will be lower."),
    ]  # fmt: skip


def swaps(_services: Services, _query: ToxicityQuery) -> Children:
    """Neutral sentences with one group word exchanged for another."""
    rows = [
        html.Tr([html.Td(line["group"]),
            html.Td([html.B(signed(line["shift"], 3)), html.Small(" " + bounds(line))], className="num"),
            html.Td(plain(line["mean"], 3), className="num"),
            html.Td(f"{line['flagged']} of {line['n']}", className="num")],
            **extra(data_group=line["group"]))
        for line in card().identity_swaps
    ]  # fmt: skip
    return [
        table(("Group", "Shift of the score>", "Mean score>", "Called toxic>"), rows),
        note("The same neutral sentences about different groups: a fair classifier would score every row the same. "
             "Shift: this group's score minus the mean over groups, with its interval over five wordings."),
    ]  # fmt: skip


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

SCOPED: ScopedPage[ToxicityQuery] = ScopedPage(
    Page("toxicity", PATH, "Toxicity", "shield-exclamation", 26, shortcut="x"),
    ToxicityQuery,
    "What a classifier says of prompts and continuations, and how far to believe it.",
    "Toxicity is summed up over the texts",
    LIMITS,
    {
        "toxicity-scores": Card("Scores", "Every label, prompts and continuations apart.", scores),
        "toxicity-buckets": Card("From prompt to continuation", "By how toxic the prompt was.", buckets),
        "toxicity-texts": Card("Highest scores", "Covered until you ask.", texts),
        "toxicity-swaps": Card("The scorer, audited: groups exchanged", "Neutral sentences, one word changed.", swaps),
        "toxicity-explorer": Card("The scorer, audited: thresholds", "Calibration and cost.", explorer),
        "toxicity-card": Card("The scorer, audited: model card", "What it gets right and wrong.", audit),
    },
)
PAGE, layout = SCOPED.page, SCOPED.layout


def register(app: Dash, services: Services) -> None:
    """Callbacks."""
    SCOPED.register(app, services)
