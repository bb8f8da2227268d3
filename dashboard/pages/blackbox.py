"""Black-box models: which parts of a prompt an answer hangs on, and whether it holds when nothing changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from dash import Dash, dcc, html
from dash.development.base_component import Component

from headscope.analysis.blackbox.permutations import HALVES_NEED
from headscope.analysis.statistics.intervals import bootstrap_means, wilson
from headscope.dashboard.cards import Children, copyable, empty_box
from headscope.dashboard.link_state import choice
from headscope.dashboard.pages import Page
from headscope.dashboard.parts import interval, note, plain, signed, stay, switch, warning
from headscope.dashboard.scope_query import ScopeQuery
from headscope.dashboard.scoped_page import Card, ScopedPage
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.words import plural, visible
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import FindingRow

PATH = "/blackbox"
LISTED = 20
PROBE = "perturbation"
LEAST_PARTS = 3
"""Fewer have no order whose halves could agree."""
MEASURES = (("logprob", "log-probability"), ("edit", "wording"), ("embedding", "meaning"))
UNITS = {
    "logprob": "nats of log P(answer's first token)",
    "edit": "share of the answer's letters",
    "embedding": "cosine of sentence embeddings",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackBoxQuery(ScopeQuery):
    """measure: by which change of the answer. sort: the least or the most certain order first. page: from 1."""

    PATH: ClassVar[str] = PATH

    measure: str = choice("logprob", "edit", "embedding")
    sort: str = choice("uncertain", "certain")
    page: int = 1


def studied(store: RunReader, query: BlackBoxQuery) -> list[FindingRow]:
    """The runs whose parts were taken out, in the order asked for; of unknown certainty last."""
    rows = list(store.findings(query.where(), (PROBE,)))
    sign = 1 if query.sort == "uncertain" else -1
    return sorted(rows, key=lambda row: (row.score is None, sign * (row.score or 0), row.run_id))


def importance(services: Services, query: BlackBoxQuery) -> Children:
    """Prompts as strips of their parts."""
    rows = studied(services.store, query)
    if not rows:
        return no_runs()
    first = max(0, query.page - 1) * LISTED
    shown = [strip(row, query) for row in rows[first : first + LISTED]]
    body = [
        html.P(["Orange parts speak for the answer, blue ones against it; a dashed line marks a part whose rank is not "
                "settled. Hover for value, interval and rank. Unit: ", UNITS[query.measure], "."], className="hs-said"),
        html.Div(shown, className="hs-cases"),
        pager(query, len(rows)),
    ]  # fmt: skip
    orders = (("uncertain", "least certain first"), ("certain", "most certain first"))
    return body, [switch("measure", query, MEASURES, "Measure"), switch("sort", query, orders, "Order")]


def strip(row: FindingRow, query: BlackBoxQuery) -> Component:
    """One prompt: its parts, what the model said, how sure the order is."""
    evidence: Mapping[str, Any] = row.evidence or {}
    told = evidence.get("measures", {}).get(query.measure)
    parts: Sequence[str] = evidence.get("parts", ())
    if told is None:
        body: Children = [
            html.P(row.text, className="hs-case-text"),
            warning("This measure could not be taken: ", _why(query.measure)),
        ]
    else:
        top = max((abs(value) for value in told["score"]), default=0) or 1
        body = html.P([_part(part, i, told, top) for i, part in enumerate(parts)], className="hs-parts")
    return html.Article(
        [
            html.Header([dcc.Link("Run", href=f"/run?id={row.run_id}"), html.Span(row.model, className="hs-muted"),
                         html.Span(_certainty(evidence, row.score), className="hs-muted")]),
            body,
        ],
        className="hs-case",
    )  # fmt: skip


def _part(part: str, i: int, told: Mapping[str, Any], top: float) -> Component:
    score, low, high = told["score"][i], told["low"][i], told["high"][i]
    best, worst = told["rank_low"][i], told["rank_high"][i]
    settled = worst - best <= 1
    said = interval(math.nan if low is None else low, math.nan if high is None else high, 3)
    ranks = f"rank {told['rank'][i]}" + ("" if best == worst else f" ({best} to {worst})")
    kind = "hs-part-for" if score > 0 else "hs-part-against"
    return html.Span(
        part,
        className=f"hs-part {kind}" + ("" if settled else " hs-part-open"),
        style={"--t": f"{abs(score) / top:.3f}"},
        title=f"{visible(part)}  {signed(score, 3)} {said}  {ranks}",
    )


def _certainty(evidence: Mapping[str, Any], score: float | None) -> str:
    asked = plural(evidence.get("coalitions", 0), "changed prompt")
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


def _why(measure: str) -> str:
    if measure == "logprob":
        return "the API tells no log-probabilities."
    return "an answer was empty, or the sentence encoder is not installed." if measure == "embedding" else "no answer."


def pager(query: BlackBoxQuery, total: int) -> Component | None:
    """Links to the neighbouring pages."""
    last = -(-total // LISTED)
    if last <= 1:
        return None
    now = min(max(1, query.page), last)
    links = [
        stay(label, query.link(page=page))
        for label, page in (("previous", now - 1), ("next", now + 1))
        if 1 <= page <= last
    ]
    return html.Div([*links, html.Span(f"page {now} of {last}", className="hs-muted")], className="hs-pager")


def overview(services: Services, query: BlackBoxQuery) -> Children:
    """One row per model: how sure the orders are, and how often the answers hold."""
    found: dict[str, dict[str, list[FindingRow]]] = {}
    for row in services.store.findings(query.where(), (PROBE, "harmless_edits", "self_consistency")):
        found.setdefault(row.model, {}).setdefault(row.probe, []).append(row)
    studied_models = {model: probes for model, probes in sorted(found.items()) if PROBE in probes}
    if not studied_models:
        return None
    rows = [
        html.Tr([html.Td(dcc.Link(model, href=query.runs(model=model))), *_model_cells(probes)])
        for model, probes in studied_models.items()
    ]
    return [
        table(("Model", "Prompts>", "Changed prompts>", "Halves agree>", "Target only bounded>",
               "Another answer after a harmless edit>", "Commonest of the sampled answers>"), rows),
        note("Halves agree: rank correlation of the parts' order between two halves of the questions, mean over the "
             f"prompts not evaluated exactly, 95 % bootstrap interval; it takes {HALVES_NEED} orders "
             f"(--permutations) and {LEAST_PARTS} parts. Target only bounded: changed prompts whose target "
             "was not among the candidates the API told, so that its log-probability is an upper bound. "
             "Answers are compared by their first word."),
    ]  # fmt: skip


def _model_cells(probes: Mapping[str, Sequence[FindingRow]]) -> list[Component]:
    evidence = [row.evidence or {} for row in probes[PROBE]]
    asked = sum(item.get("coalitions", 0) for item in evidence)
    bounded = sum(item.get("censored", 0) for item in evidence)
    drawn_orders = [row for row in probes[PROBE] if not (row.evidence or {}).get("exact")]
    sampled = [row.score for row in drawn_orders if row.score is not None]
    halves = _mean(sampled)
    if drawn_orders and not sampled:
        halves = [halves, html.Small(f" {_no_halves(drawn_orders[0].evidence or {})}")]
    edits = [row.score for row in probes.get("harmless_edits", ())]
    drawn = [row.score for row in probes.get("self_consistency", ())]
    low, high = wilson(bounded, asked)
    cells: list[Children] = [f"{len(evidence):,}", f"{asked:,}", halves]
    cells.append(f"{100 * bounded / asked:.0f} % [{100 * low:.0f}, {100 * high:.0f}]" if asked else plain(None))
    return [html.Td(cell, className="num") for cell in (*cells, _mean(edits), _mean(drawn))]


def _mean(values: Sequence[float | None]) -> Children:
    known = np.array([value for value in values if value is not None and math.isfinite(value)])
    if not len(known):
        return plain(None)
    means = bootstrap_means(known)
    return [plain(float(means.mean)), html.Small(f" {interval(float(means.low), float(means.high))} n={len(known)}")]


def stability(services: Services, query: BlackBoxQuery) -> Children:
    """Harmless edits, one row for each kind."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in services.store.findings(query.where(), ("harmless_edits",)):
        for edit in (row.evidence or {}).get("edits", ()):
            found.setdefault(edit["edit"], []).append({**edit, "run_id": row.run_id})
    if not found:
        return None
    rows = []
    for name, edits in sorted(found.items()):
        changed = [edit for edit in edits if edit["changed"]]
        low, high = wilson(len(changed), len(edits))
        share: Children = [
            f"{100 * len(changed) / len(edits):.0f} %",
            html.Small(f" [{100 * low:.0f}, {100 * high:.0f}]"),
        ]
        example: Children = plain(None)
        if changed:
            said = f"{changed[0]['before']} → {changed[0]['after']}"
            example = [dcc.Link(changed[0]["text"], href=f"/run?id={changed[0]['run_id']}"), html.Small(f" {said}")]
        cells = [html.Td(share, className="num"), html.Td(f"{len(edits):,}", className="num")]
        rows.append(html.Tr([html.Td(name), *cells, html.Td(example, className="hs-example")]))
    return table(("Edit", "Another answer>", "Prompts>", "For example"), rows)


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
    html.Li("What is measured is how the answer changes when parts of the prompt are taken out. That is the model's "
            "behaviour on prompts nobody would write, not its inside."),
    html.Li("Each score is a Shapley value: a part's mean effect over orders in which parts are put back. Intervals "
            "cover the choice of orders (and sampled answers), not the choice of prompts."),
    html.Li("The model behind a name can change without notice; only the day of a run is known."),
    html.Li("Words that belong together share their effect: deleting either half of a name can cost all of it."),
])  # fmt: skip

SCOPED: ScopedPage[BlackBoxQuery] = ScopedPage(
    Page("blackbox", PATH, "Black box", "box", 32, shortcut="a"),
    BlackBoxQuery,
    "What changed prompts do to the answers of models behind an API.",
    "Importance is shown for the black-box runs",
    LIMITS,
    {
        "blackbox-overview": Card("Models", "How sure the orders are, and whether answers hold.", overview),
        "blackbox-importance": Card("What the answer hangs on", "Prompts in parts.", importance),
        "blackbox-stability": Card("Harmless edits", "Edits that should change nothing.", stability),
    },
)
PAGE = SCOPED.page


def layout(**query: Any) -> Component:
    """See `ScopedPage.layout`."""
    return SCOPED.layout(**query)


def register(app: Dash, services: Services) -> None:
    """See `ScopedPage.register`."""
    SCOPED.register(app, services)
