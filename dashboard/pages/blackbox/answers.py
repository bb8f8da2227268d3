"""The card of tests: whether answers hold when asked again, both ways round, and at the boundary of what is known."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.blackbox.answer_rows import SHARE, AnswerRow
from headscope.dashboard import links
from headscope.dashboard.cards import Children, Download, download_menu
from headscope.dashboard.covered import anything, run_link
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.blackbox.query import BlackBoxQuery, tested
from headscope.dashboard.parts import note, sampled_note
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.units import percent, percents
from headscope.dashboard.words import plural
from headscope.jobs.answer_tests import Tested

TESTS_FILE = "tests.csv"
HEAD = ("Test", "", "Value>", "Answers>", "Questions>", "Against it")


def answers(services: Services, query: BlackBoxQuery) -> Children:
    """A table per model; None where nothing was tested."""
    found, read, total = tested(services.store, query)
    if not found:
        return None
    shown = [part for one in found for part in _model(services, query, one)]
    body = [
        *sampled_note(read, total),
        *shown,
        note("Answers are compared with the first one, which is taken at the temperature of the study: by their first "
             "sentence without case, punctuation and articles, and by nearness of sentence embeddings "
             "(all-MiniLM-L6-v2, cosine .9: “not Paris” may count as “Paris”). Right: the target's words stand "
             "in the first sentence. "
             "Abstains: one of a list of English wordings stands in the first line; other wordings are missed. "
             "95 % intervals, of shares by bootstrap over questions, of differences over pairs, of the area by DeLong "
             "et al. 1988; below 5 questions none. They cover which questions were asked, not how the server "
             "answers on another day."),
    ]  # fmt: skip
    return body, download_menu([Download("CSV", href=links.blackbox_file(TESTS_FILE, query))], "blackbox-answers")


def _model(services: Services, query: BlackBoxQuery, found: Tested) -> list[Component]:
    count = html.Small(f" {plural(found.runs, 'run')}", className="hs-muted")
    head = html.H3([dcc.Link(found.model, href=query.runs(model=found.model)), count], className="hs-said")
    if not found.rows:
        return [head, html.P("No test has an answer to compare with.", className="hs-muted")]
    return [head, table(HEAD, [_row(services, row) for row in found.rows])]


def _row(services: Services, row: AnswerRow) -> html.Tr:
    value = (
        percent(row.value) if row.unit == SHARE else signed(row.value) if "minus" in row.subset else plain(row.value)
    )
    bounds = percents(row.low, row.high) if row.unit == SHARE and row.low == row.low else interval(row.low, row.high)
    unit = "" if row.unit == SHARE else html.Span(row.unit, className="hs-sub")
    return html.Tr(
        [
            html.Td(row.test),
            html.Td([row.subset, unit]),
            html.Td([html.B(value), html.Small(f" {bounds}")], className="num"),
            html.Td(f"{row.n:,}", className="num"),
            html.Td(f"{row.of:,}", className="num"),
            html.Td(_example(services, row), className="hs-example"),
        ]
    )


def _example(services: Services, row: AnswerRow) -> Children:
    """The first of the runs that speak against the model, and how many there are."""
    if not row.against:
        return ""
    (run,) = services.store.runs(row.against[:1]) or (None,)
    if run is None:
        return plural(len(row.against), "run")
    why = anything(services.store.offensive([run.id]), run.id)
    more = f" and {plural(len(row.against) - 1, 'other run')}" if len(row.against) > 1 else ""
    return [run_link(run.text, links.run(run.id), why), html.Small(more)]
