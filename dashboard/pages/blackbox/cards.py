"""The cards of the Black box page: models, what an answer hangs on, harmless edits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.blackbox.permutations import HALVES_NEED
from headscope.analysis.statistics.intervals import wilson
from headscope.dashboard import links
from headscope.dashboard.cards import Children, Download, download_menu
from headscope.dashboard.covered import anything, covered, prompt
from headscope.dashboard.numbers import plain
from headscope.dashboard.pages.blackbox.query import LISTED, MOST, PROBE, BlackBoxQuery, studied, tested
from headscope.dashboard.pages.blackbox.view import LEAST_PARTS, PARTS_FILE, UNITS, model_cells, no_runs, pager, strip
from headscope.dashboard.parts import note, sampled_note, switch
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.units import percents, ratio
from headscope.storage.rows import FindingRow

MEASURES = (("logprob", "log-probability"), ("edit", "wording"), ("embedding", "meaning"))


def importance(services: Services, query: BlackBoxQuery) -> Children:
    """Prompts as strips of their parts."""
    found = studied(services.store, query)
    rows = found.rows
    if not rows:
        return None if tested(services.store, query)[0] else no_runs()
    first = max(0, query.page - 1) * LISTED
    listed = rows[first : first + LISTED]
    why = services.store.offensive([row.run_id for row in listed])
    shown = [strip(row, query, prompt(why, row.run_id)) for row in listed]
    body = [
        *sampled_note(len(rows), found.total),
        html.P(["Orange parts speak for the answer, blue ones against it; a dashed line marks a part whose rank is not "
                "settled. Hover for value, interval and rank. Unit: ", UNITS[query.measure], "."], className="hs-said"),
        html.Div(shown, className="hs-cases"),
        pager(query, len(rows)),
    ]  # fmt: skip
    orders = (("uncertain", "least certain first"), ("certain", "most certain first"))
    return body, [
        switch("measure", query, MEASURES, "Measure"),
        switch("sort", query, orders, "Order"),
        download_menu([Download("CSV", href=links.blackbox_file(PARTS_FILE, query))], "blackbox-importance"),
    ]


def overview(services: Services, query: BlackBoxQuery) -> Children:
    """One row per model: how sure the orders are, and how often the answers hold."""
    found: dict[str, dict[str, list[FindingRow]]] = {}
    notes: list[Component] = []
    for probe in (PROBE, "harmless_edits", "self_consistency"):
        read = services.store.finding_sample(query.where(), probe, MOST)
        notes += sampled_note(len(read.rows), read.total, f"findings of {probe}")
        for row in read.rows:
            found.setdefault(row.model, {}).setdefault(probe, []).append(row)
    studied_models = {model: probes for model, probes in sorted(found.items()) if PROBE in probes}
    if not studied_models:
        return None
    rows = [
        html.Tr([html.Td(dcc.Link(model, href=query.runs(model=model))), *model_cells(probes)])
        for model, probes in studied_models.items()
    ]
    return [
        *notes,
        table(("Model", "Prompts>", "Changed prompts>", "Not asked>", "Halves agree>", "Target only bounded>",
               "Another answer after a harmless edit>", "Commonest of the sampled answers>"), rows),
        note("Not asked: changed prompts that were planned, and left out because it was settled before which three "
             "parts matter most. "
             "Halves agree: rank correlation of the parts' order between two halves of the questions, mean over the "
             f"prompts not evaluated exactly, 95 % interval over them; it takes {HALVES_NEED} orders "
             f"(--permutations) and {LEAST_PARTS} parts. Target only bounded: changed prompts whose target "
             "was not among the candidates the API told, so that its log-probability is an upper bound. "
             "Answers are compared by their first word."),
    ]  # fmt: skip


def stability(services: Services, query: BlackBoxQuery) -> Children:
    """Harmless edits, one row for each kind."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    read = services.store.finding_sample(query.where(), "harmless_edits", MOST)
    for row in read.rows:
        for edit in (row.evidence or {}).get("edits", ()):
            found.setdefault(edit["edit"], []).append({**edit, "run_id": row.run_id})
    if not found:
        return None
    rows = []
    for name, edits in sorted(found.items()):
        changed = [edit for edit in edits if edit["changed"]]
        low, high = wilson(len(changed), len(edits))
        share: Children = [
            ratio(len(changed), len(edits)),
            html.Small(f" {percents(low, high)}"),
        ]
        example: Children = plain(None)
        if changed:
            said = f"{changed[0]['before']} → {changed[0]['after']}"
            run_id, text = changed[0]["run_id"], changed[0]["text"]
            offends = anything(services.store.offensive([run_id]), run_id)
            example = covered([dcc.Link(text, href=links.run(run_id)), html.Small(f" {said}")], text, offends)
        cells = [html.Td(share, className="num"), html.Td(f"{len(edits):,}", className="num")]
        rows.append(html.Tr([html.Td(name), *cells, html.Td(example, className="hs-example")]))
    return [
        *sampled_note(len(read.rows), read.total),
        table(("Edit", "Another answer>", "Prompts>", "For example"), rows),
    ]
