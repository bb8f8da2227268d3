"""Prompts that flipped, with what changed inside the two models."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.registry import DETECTORS, METHODS
from headscope.analysis.statistics.flip_evidence import LOOKS, FlipEvidence, HeadShift
from headscope.analysis.statistics.regression import Flip
from headscope.dashboard import links
from headscope.dashboard.cards import Children, empty_box, extra
from headscope.dashboard.covered import anything, covered, prompt, run_link
from headscope.dashboard.head_stats import STATS
from headscope.dashboard.numbers import plain, signed
from headscope.dashboard.pages.regression.query import PAGE_SIZE, RegressionQuery
from headscope.dashboard.parts import note, stay
from headscope.dashboard.tables import table
from headscope.dashboard.text import quoted
from headscope.dashboard.words import DASH
from headscope.jobs.regression import Evidence
from headscope.storage.rows import Offences

HEAD = ("Prompt", "Baseline", "Candidate", "Fall, nats>", "Scores of tokens", "Heads", "Look")
NONE = {"broken": "Nothing broke", "failed": "No run failed anew", "mended": "Nothing was mended"}
ABOUT = {
    "broken": "Right in the baseline and wrong in the candidate, or a detector that finds a failure only there; the "
    "furthest fall of the target's log-probability first.",
    "failed": "Runs that succeeded in the baseline and failed in the candidate.",
    "mended": "The other way: wrong in the baseline, right in the candidate.",
}


def none(which: str) -> Component:
    """No flips of this kind."""
    return empty_box(NONE[which], html.P("None of the prompts in both."), icon_name="check2-circle")


def listed(flips: Sequence[Flip], evidence: Evidence, why: Offences) -> Component:
    """A row for each flip; j, k and Enter walk them and open both runs side by side."""
    rows = [_row(flip, evidence[flip.baseline_run, flip.candidate_run], why) for flip in flips]
    return html.Div(table(HEAD, rows, rows_open=True), className="hs-regression-flips")


def _row(flip: Flip, read: FlipEvidence, why: Offences) -> html.Tr:
    a, b = flip.baseline_run, flip.candidate_run
    hidden = prompt(why, a) or prompt(why, b)
    known = DETECTORS.get(flip.kind)
    kind = known.label if known else flip.kind
    tokens = [f"{quoted(shift.token)} {signed(shift.baseline)} → {signed(shift.candidate)}" for shift in read.tokens]
    said = html.Ul([html.Li(line) for line in tokens], className="hs-regression-shifts")
    cells = [
            html.Td([run_link(flip.text, links.run(a), hidden, "hs-strong hs-regression-text"),
                     html.Span(f"{kind} · {flip.prompt_set}", className="hs-sub")]),
            html.Td(_answer(flip.baseline, anything(why, a))),
            html.Td(_answer(flip.candidate, anything(why, b))),
            html.Td(plain(abs(flip.worse)) if flip.kind == "answer" else DASH, className="num"),
            html.Td([covered(said, " ".join(tokens), hidden), _by(read.method, read.no_tokens)]),
            html.Td([html.Ul([_head(a, b, shift, read.heads_by) for shift in read.heads],
                             className="hs-regression-shifts"), _by(read.heads_by, read.no_heads)]),
            html.Td(_look(a, b, read)),
    ]  # fmt: skip
    for head, cell in zip(HEAD[1:], cells[1:], strict=True):
        setattr(cell, "data-label", head.removesuffix(">"))
    return html.Tr(cells, **extra(data_href=links.compare((a, b))))


def _answer(said: str, why: Children) -> Children:
    shown = quoted(said) if said not in ("passed", "fails", "succeeded", "failed") else said
    return covered(shown, said, why)


def _by(method: str, missing: str) -> Component:
    if missing:
        return html.Span(missing, className="hs-sub")
    name = METHODS[method].label if method in METHODS else "where they look" if method == LOOKS else method
    return html.Span(f"by {name}" if method != LOOKS else name, className="hs-sub")


def _head(a: str, b: str, shift: HeadShift, by: str) -> html.Li:
    name = dcc.Link(f"{shift.layer}.{shift.head}", href=links.compare_heads(a, b, shift.layer, shift.head))
    stat = STATS[shift.statistic][0] if by == LOOKS else "effect"
    number = plain if by == LOOKS else signed
    return html.Li([name, f" {stat} {number(shift.baseline)} → {number(shift.candidate)}"])


def _look(a: str, b: str, read: FlipEvidence) -> list[Children]:
    """Both runs, side by side, and why."""
    why = [" · ", dcc.Link("why", href=links.compare_scores(a, b, read.method))] if read.method else []
    return [
        dcc.Link("baseline", href=links.run(a)), " · ", dcc.Link("candidate", href=links.run(b)), " · ",
        dcc.Link("compare", href=links.compare((a, b))), *why,
    ]  # fmt: skip


def pager(query: RegressionQuery, page: int, total: int) -> Component | None:
    """Links to the flips before and after."""
    last = (total - 1) // PAGE_SIZE
    if last == 0:
        return None
    parts: list[Children] = []
    if page > 0:
        parts.append(stay("Previous", query.link(page=page - 1) + "#regression-flips", "hs-button"))
    parts.append(html.Span(f"page {page + 1:,} of {last + 1:,}", className="hs-muted"))
    if page < last:
        parts.append(stay("Next", query.link(page=page + 1) + "#regression-flips", "hs-button"))
    return html.Div(parts, className="hs-pager")


def about(which: str) -> Component:
    """What is listed, and what stands beside it."""
    return note(
        f"{ABOUT[which]} Beside each: the tokens whose scores, and the heads whose effect or attention, moved most "
        "from baseline to candidate."
    )
