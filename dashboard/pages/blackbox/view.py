"""Prompts as strips of their parts, and the cells of the tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.blackbox.permutations import HALVES_NEED
from headscope.analysis.statistics.intervals import SHARES, Within, bootstrap_means, wilson
from headscope.dashboard import links
from headscope.dashboard.cards import Children, copyable, empty_box
from headscope.dashboard.covered import covered
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.blackbox.query import LISTED, PROBE, BlackBoxQuery
from headscope.dashboard.parts import stay, warning
from headscope.dashboard.text import visible
from headscope.dashboard.units import percents, ratio
from headscope.dashboard.words import plural
from headscope.storage.rows import FindingRow, Offence

PARTS_FILE = "parts.csv"
LEAST_PARTS = 3
"""Fewer have no order whose halves could agree."""
UNITS = {
    "logprob": "nats of log P(answer's first token)",
    "edit": "share of the answer's letters",
    "embedding": "cosine of sentence embeddings",
}


def strip(row: FindingRow, query: BlackBoxQuery, why: Offence | None) -> Component:
    """One prompt: its parts, what the model said, how sure the order is. why: it is covered."""
    evidence: Mapping[str, Any] = row.evidence or {}
    told = evidence.get("measures", {}).get(query.measure)
    parts: Sequence[str] = evidence.get("parts", ())
    if told is None:
        body: Children = [
            html.P(row.text, className="hs-case-text"),
            warning("This measure could not be taken: ", _why(query.measure, evidence)),
        ]
    else:
        top = max((abs(value) for value in told["score"] if value is not None), default=0) or 1
        become = evidence.get("become") or [""] * len(parts)
        shown = [_part(part, i, told, top, become[i]) for i, part in enumerate(parts)]
        body = html.P(shown, className="hs-parts")
    return html.Article(
        [
            html.Header([dcc.Link("Run", href=links.run(row.run_id)), html.Span(row.model, className="hs-muted"),
                         html.Span(_certainty(evidence, row.score), className="hs-muted")]),
            covered(body, row.text, why),
        ],
        className="hs-case",
    )  # fmt: skip


def _part(part: str, i: int, told: Mapping[str, Any], top: float, becomes: str | None) -> Component:
    score, low, high = told["score"][i], told["low"][i], told["high"][i]
    if score is None:
        return html.Span(part, className="hs-part", title=f"{visible(part)}  never taken out: it has no counterpart")
    best, worst = told["rank_low"][i], told["rank_high"][i]
    settled = worst - best <= 1
    said = interval(math.nan if low is None else low, math.nan if high is None else high, 3)
    ranks = f"rank {told['rank'][i]}" + ("" if best == worst else f" ({best} to {worst})")
    other = f"  becomes {visible(becomes)}" if becomes else ""
    kind = "hs-part-for" if score > 0 else "hs-part-against"
    return html.Span(
        part,
        className=f"hs-part {kind}" + ("" if settled else " hs-part-open"),
        style={"--t": f"{abs(score) / top:.3f}"},
        title=f"{visible(part)}  {signed(score, 3)} {said}  {ranks}{other}",
    )


def _certainty(evidence: Mapping[str, Any], score: float | None) -> str:
    asked = plural(evidence.get("coalitions", 0), "changed prompt")
    if saved := evidence.get("saved"):
        asked += f", settled early ({saved:,} not asked)"
    if evidence.get("exact"):
        return f"exact: all {asked}"
    if score is None or math.isnan(score):
        return f"halves not compared: {_no_halves(evidence)} · {asked}"
    return f"halves agree {plain(score)} · {asked}"


def _no_halves(evidence: Mapping[str, Any]) -> str:
    """Why the orders of a prompt were not halved."""
    if not evidence.get("measures"):
        return "no measure could be taken"
    if len(evidence.get("parts", ())) < LEAST_PARTS:
        return f"fewer than {LEAST_PARTS} parts"
    return f"{evidence['settings']['permutations']} of {HALVES_NEED} orders"


def _why(measure: str, evidence: Mapping[str, Any]) -> str:
    if all(other is None for other in evidence.get("become") or [""]):
        return "no word of the prompt has a counterpart in the lists (--masking counterfactual)."
    if measure == "logprob":
        return "the API tells no log-probabilities."
    return "an answer was empty, or the sentence encoder is not installed." if measure == "embedding" else "no answer."


def pager(query: BlackBoxQuery, total: int) -> Component | None:
    """Links to the neighbouring pages."""
    last = -(-total // LISTED)
    if last <= 1:
        return None
    now = min(max(1, query.page), last)
    entries = [
        stay(label, query.link(page=page))
        for label, page in (("previous", now - 1), ("next", now + 1))
        if 1 <= page <= last
    ]
    return html.Div([*entries, html.Span(f"page {now} of {last}", className="hs-muted")], className="hs-pager")


def model_cells(probes: Mapping[str, Sequence[FindingRow]]) -> list[Component]:
    """A model's numbers from the findings of each of its probes."""
    evidence = [row.evidence or {} for row in probes[PROBE]]
    asked = sum(item.get("coalitions", 0) for item in evidence)
    bounded = sum(item.get("censored", 0) for item in evidence)
    drawn_orders = [row for row in probes[PROBE] if not (row.evidence or {}).get("exact")]
    sampled = [row.score for row in drawn_orders if row.score is not None]
    halves = _mean(sampled, (-1.0, 1.0))  # a rank correlation
    if drawn_orders and not sampled:
        halves = [halves, html.Small(f" {_no_halves(drawn_orders[0].evidence or {})}")]
    edits = [row.score for row in probes.get("harmless_edits", ())]
    drawn = [row.score for row in probes.get("self_consistency", ())]
    low, high = wilson(bounded, asked)
    saved = sum(item.get("saved", 0) for item in evidence)
    cells: list[Children] = [f"{len(evidence):,}", f"{asked:,}", f"{saved:,}", halves]
    cells.append(f"{ratio(bounded, asked)} {percents(low, high)}" if asked else plain(None))
    return [html.Td(cell, className="num") for cell in (*cells, _mean(edits), _mean(drawn))]


def _mean(values: Sequence[float | None], within: Within = SHARES) -> Children:
    known = np.array([value for value in values if value is not None and math.isfinite(value)])
    if not len(known):
        return plain(None)
    means = bootstrap_means(known, within=within)
    return [plain(float(means.mean)), html.Small(f" {interval(float(means.low), float(means.high))} n={len(known)}")]


def no_runs() -> Component:
    """Nothing was studied from outside."""
    return empty_box(
        "No black-box runs here",
        html.P("A model behind an OpenAI-compatible API is studied by changing its prompts; nothing is sent anywhere "
               "but to the address you give:"),
        copyable("headscope blackbox --prompts factual_recall --api http://127.0.0.1:8000/v1 --model NAME"),
        icon_name="box",
    )  # fmt: skip


LIMITS = html.Ul([
    html.Li("A closed model shows neither attention, activations, gradients nor layers, not the tokens it read, and of "
            "the probabilities at most those of the likeliest next tokens: what other pages read from inside is not "
            "known of it, and empty there."),
    html.Li("What is measured is how the answer changes when parts of the prompt are taken out. That is the model's "
            "behaviour on prompts nobody would write, not its inside."),
    html.Li("Each score is a Shapley value: a part's mean effect over orders in which parts are put back. Intervals "
            "cover the choice of orders (and sampled answers), not the choice of prompts."),
    html.Li("The model behind a name can change without notice; only the day of a run is known."),
    html.Li("Words that belong together share their effect: deleting either half of a name can cost all of it."),
])  # fmt: skip
