"""Scores and texts as rows and cells."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.classifiers.labels import EXPERIMENTAL
from headscope.analysis.classifiers.rates import ScoredRate
from headscope.analysis.statistics.intervals import SHARES, bootstrap_means, bootstrap_share
from headscope.dashboard import links
from headscope.dashboard.cards import Children, copyable, empty_box, extra
from headscope.dashboard.covered import answer, covered, prompt
from headscope.dashboard.numbers import interval, plain
from headscope.dashboard.pages.toxicity.query import LISTED, ToxicityQuery, judge_of
from headscope.dashboard.parts import Entry, menu, stay, switch
from headscope.dashboard.scorer_tokens import explained_in_live, first_raised, marked, scorer_tokens
from headscope.dashboard.units import percent, percents
from headscope.dashboard.words import DASH
from headscope.storage.rows import Offence, Offences, PromptOutcomes, ScoredText


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose scores a list is by, of which label, and from which score on its texts are covered."""

    judge: str
    label: str
    cut: float


def thresholds(query: ToxicityQuery) -> Component:
    """Where a text begins to count."""
    cuts = [("0", "its own"), *((str(cut), f"{cut / 100:.2f}") for cut in (25, 50, 75, 90))]
    return switch("threshold", query, cuts, "Threshold")


def chooser(query: ToxicityQuery, found: Sequence[ScoredRate]) -> Component:
    """Whose scores, and of which label."""
    judge = judge_of(query, found)
    names = sorted({(row.counts.classifier, row.counts.label) for row in found})
    entries: list[Entry] = [
        (f"{label} · {name}", query.link(classifier=name, label=label, page=0), None) for name, label in names
    ]
    return menu("Scores", f"{query.label} · {judge}", entries)


def group_name(group: str, query: ToxicityQuery) -> str:
    """What a row is about, where rows are set apart."""
    if query.by == "all":
        return "all"
    none = {"temperature": "no continuation", "prompt_set": "no prompt set", "model": "no model"}[query.by]
    return group or none


def rate_row(row: ScoredRate, query: ToxicityQuery) -> html.Tr:
    """One label of one part, and of one group where they are set apart."""
    counts, share = row.counts, row.rate
    shy = html.Span("experimental", className="hs-sub") if counts.label in EXPERIMENTAL else None
    said = f"{counts.over:,} of {counts.n:,}"
    narrowed = query.narrowed(counts)
    behind: Component = html.Span(said)
    if narrowed is not None:
        texts = f"{query.link(**narrowed)}#toxicity-texts"
        behind = stay(said, texts, "hs-behind", title="The texts behind this rate")
    mean: list[Children] = [plain(counts.mean, 3), html.Small(" " + interval(row.mean_low, row.mean_high, 3))]
    unscored = [html.Span(f"{counts.unscored:,} without a score", className="hs-sub")] if counts.unscored else []
    own = html.Span("its own", className="hs-sub") if row.judged.own else None
    return html.Tr(
        [
            html.Td([counts.label, shy]),
            html.Td(counts.part),
            *([] if query.by == "all" else [html.Td(group_name(counts.group, query))]),
            html.Td([plain(row.judged.threshold), own], className="num"),
            _share(share.raw, share.low, share.high),
            _share(share.corrected, share.corrected_low, share.corrected_high, row.reason),
            html.Td(mean),
            html.Td([behind, *unscored], className="num"),
            html.Td(counts.classifier, className="hs-muted"),
        ]
    )  # fmt: skip


def _share(value: float, low: float, high: float, reason: str = "") -> html.Td:
    if math.isnan(value):
        return html.Td([DASH, html.Span("see below", className="hs-sub")], title=reason)
    return html.Td([html.B(percent(value, 1)), html.Small(f" {percents(low, high, 1)}")])


def bucket_row(found: PromptOutcomes, low: float, high: float, cut: float) -> html.Tr:
    """Prompts with scores in `[low, high)`."""
    mine = np.flatnonzero((found.of_prompt >= low) & (found.of_prompt < high))
    groups = [found.prompt[i] for i in mine]
    worst = found.worst[mine]
    any_over = np.where(np.isfinite(worst), (worst >= cut).astype(np.float64), np.nan)
    return html.Tr(
        [
            html.Td(f"{low:.2f} to {min(high, 1):.2f}"),
            html.Td(f"{len(mine):,}", className="num"),
            _mean_cell(found.of_continuation[mine], groups),
            _mean_cell(worst, groups),
            _share_cell(any_over, groups),
        ]
    )


def _mean_cell(values: Any, groups: Sequence[tuple[str, str]]) -> html.Td:
    if not np.isfinite(values).any():
        return html.Td(DASH, className="num")
    means = bootstrap_means(values, groups, within=SHARES)
    ends = interval(float(means.low), float(means.high), 3)
    return html.Td([html.B(plain(float(means.mean), 3)), html.Small(f" {ends}")], className="num")


def _share_cell(over: Any, groups: Sequence[tuple[str, str]]) -> html.Td:
    if not np.isfinite(over).any():
        return html.Td(DASH, className="num")
    share, low, high = bootstrap_share(over, groups)
    ends = "" if math.isnan(low) else f" {percents(low, high)}"
    return html.Td([html.B(percent(share)), html.Small(ends)], className="num")


def text_row(row: ScoredText, asked: Asked, why: Offences) -> html.Tr:
    """A text, covered where it offends or is over the threshold chosen, leading to its run. A link whose address holds
    a text that offends is there while it is uncovered."""
    text = (row.continuation if row.part == "continuation" else row.text) or ""
    tokens = scorer_tokens(row.evidence, text)
    content: Any = marked(text, tokens) if tokens else [text]
    raised = first_raised(tokens) if row.part == "continuation" else None
    live = "" if raised is None else explained_in_live(row.model, row.text, text, raised)
    offence = (answer if row.part == "continuation" else prompt)(why, row.run_id)
    if offence is None and row.score >= asked.cut:
        offence = Offence(row.part, asked.label, row.score, asked.judge)
    with_it = "hs-cover-with" if offence or prompt(why, row.run_id) else ""
    word = [html.Span(dcc.Link("why this word", href=live, className="hs-sub"), className=with_it)] if live else []
    before = "" if row.prompt_score is None or row.part == "prompt" else f"prompt {plain(row.prompt_score, 3)} · "
    return html.Tr(
        [
            html.Td(html.B(plain(row.score, 3)), className="num"),
            html.Td(covered(content, text, offence), className="hs-text", **extra(dir="auto")),
            html.Td([dcc.Link(row.prompt_key, href=links.run(row.run_id)),
                     html.Span(f"{row.part} · {before}{row.model}", className="hs-sub"), *word]),
        ]
    )  # fmt: skip


def pages(query: ToxicityQuery, total: int) -> list[Component]:
    """Links to the next and the previous page of texts, where there are more."""
    last = max(0, (total - 1) // LISTED)
    found = []
    if query.page > 0:
        found.append(stay("previous", query.link(page=query.page - 1)))
    if query.page < last:
        found.append(stay("next", query.link(page=query.page + 1)))
    return [html.P([part for link in found for part in (link, " ")])] if found else []


def nothing(query: ToxicityQuery) -> Component:
    """No scores."""
    return empty_box("No toxicity scores here",
                     html.P("The classifier judges when it is asked to: with a run, or runs that are stored."),
                     copyable("headscope run --prompts NAME --analyses toxicity --max-new-tokens 20 --experiment NAME"),
                     copyable(f"headscope score --experiment {shlex.quote(query.experiment)}"),
                     icon_name="shield-exclamation")  # fmt: skip


LIMITS = html.Ul([
    html.Li("A classifier judges words, not intentions: it misses veiled hostility and flags reclaimed words."),
    html.Li("It reads English. Its labels come from annotators whose judgement differs by group and by year."),
    html.Li("Labels marked experimental had few examples. Do not filter by them."),
    html.Li("A low score is no permission, and a high one no verdict. Decisions about people need people."),
])  # fmt: skip
