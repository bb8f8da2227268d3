"""The cards of the Failures page: how often each detector found something, the cases, and which are alike."""

from __future__ import annotations

from dash import html

from headscope.analysis.registry import DETECTORS
from headscope.analysis.statistics.clusters import MOST as MOST_CLUSTERED
from headscope.analysis.statistics.clusters import clusters
from headscope.dashboard import links
from headscope.dashboard.cards import Children, empty_box, extra
from headscope.dashboard.covered import covered, prompt, run_link
from headscope.dashboard.pages.failures.query import PAGE_SIZE, FailuresQuery
from headscope.dashboard.pages.failures.view import (
    about_false_alarms,
    case,
    choices,
    detector_row,
    nothing,
    pager,
    suite_menu,
)
from headscope.dashboard.parts import note
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table

EXAMPLES = 4


def detectors(services: Services, query: FailuresQuery) -> Children:
    """How often each detector found something, of the runs it could judge."""
    counts = services.store.detector_counts(query.where())
    if not counts:
        return nothing()
    judged = [name for name in DETECTORS if any(c.detector == name for c in counts)]
    rows = [detector_row(query, name, counts) for name in judged]
    silent = [entry.label for name, entry in DETECTORS.items() if all(c.detector != name for c in counts)]
    head = ("Detector", "Found", "Of>", "False alarms", "High>", "Medium>", "Low>", "Confirmed>", "Dismissed>")
    return [
        table(head, rows),
        note("Found: the share of the runs the detector could judge, with its 95 % Wilson interval. ",
             about_false_alarms(judged),
             f"Had nothing to judge here: {', '.join(silent)}. " if silent else "",
             "A detector that needs samples, edits or scores judges only runs that were made with those probes."),
    ]  # fmt: skip


def cases(services: Services, query: FailuresQuery) -> Children:
    """The cases, the most severe first, each with its evidence and what can be done with it."""
    rows, total = services.store.failures_page(query.which(), query.page * PAGE_SIZE, PAGE_SIZE)
    actions = [*choices(query, services.store.failure_facets(query.which())), suite_menu(query)]
    if not total:
        return empty_box("No failures here", html.P("Nothing fits this choice."), icon_name="check2-circle"), actions
    why = services.store.offensive([row.run_id for row in rows])
    items = [case(query, row, why) for row in rows]
    return [
        html.P([html.B(f"{total:,}"), " failures. ", html.Kbd("j"), " ", html.Kbd("k"), " move, ", html.Kbd("y"),
                " confirms, ", html.Kbd("x"), " dismisses, ", html.Kbd("u"), " reopens, ", html.Kbd("n"),
                " notes, ", html.Kbd("e"), " tags, ", html.Kbd("w"), " shows why, ", html.Kbd("Enter"),
                " opens the run."], className="hs-said"),
        html.Div(items, className="hs-cases", **extra(data_rows="open")),
        pager(query, total),
    ], actions  # fmt: skip


def alike(services: Services, query: FailuresQuery) -> Children:
    """Clusters of similar prompts among the cases chosen."""
    rows, total = services.store.failures_page(query.which(), 0, MOST_CLUSTERED)
    rows = tuple({row.text: row for row in reversed(rows)}.values())[::-1]
    found = clusters([row.text for row in rows])
    if not found:
        return None
    why = services.store.offensive([row.run_id for row in rows])
    items = []
    for group in found[:12]:
        examples = [rows[i] for i in group.members[:EXAMPLES]]
        found_in = [
            html.Li(run_link(row.text, links.run(row.run_id), prompt(why, row.run_id), "hs-ellipsis hs-block"))
            for row in examples
        ]
        words = ", ".join(group.words) or "alike"
        offends = next(filter(None, (prompt(why, rows[i].run_id) for i in group.members)), None)
        head = html.H3([covered(words, words, offends), html.Small(f" {len(group.members)}", className="hs-muted")])
        items.append(html.Section([head, html.Ul(found_in)], className="hs-cluster"))
    looked = f"the {MOST_CLUSTERED:,} most severe" if total > MOST_CLUSTERED else f"all {total:,}"
    return [
        html.Div(items, className="hs-clusters"),
        note(f"Prompts that share words (TF-IDF, average linkage), among {looked} failures chosen; a prompt counts "
             "once. Similar wording, not necessarily one cause."),
    ]  # fmt: skip
