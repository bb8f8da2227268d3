"""Detectors, cases and the ways to judge them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.detectors.false_alarms import NULL_SETS, measured, why_not
from headscope.analysis.registry import DETECTORS
from headscope.analysis.statistics.intervals import wilson
from headscope.analysis.types.findings import PASSED, SEVERITIES
from headscope.dashboard import links
from headscope.dashboard.cards import Children, Download, copyable, download_menu, empty_box, extra, icon
from headscope.dashboard.covered import anything, covered, prompt, run_link
from headscope.dashboard.numbers import plain
from headscope.dashboard.pages.failures.query import PAGE_SIZE, STATUSES, FailuresQuery
from headscope.dashboard.parts import Entry, menu, stay, switch
from headscope.dashboard.tables import when
from headscope.dashboard.text import visible
from headscope.dashboard.units import percents, ratio
from headscope.dashboard.words import DASH
from headscope.storage.rows import DetectorCount, FailureFacets, FailureRow, Offence, Offences

SEVERITY_ICONS = {"low": "dash-circle", "medium": "exclamation-circle-fill", "high": "exclamation-octagon-fill"}
STATUS_ICONS = {"open": "circle", "confirmed": "check-circle-fill", "dismissed": "slash-circle"}


def detector_row(query: FailuresQuery, name: str, counts: tuple[DetectorCount, ...]) -> html.Tr:
    """One detector; every number leads to its cases."""
    mine = [item for item in counts if item.detector == name]
    total = sum(item.n for item in mine)
    found = sum(item.n for item in mine if item.label != PASSED)
    low, high = wilson(found, total)

    def cases(**chosen: str) -> str:
        return query.link(detector=name, page=0, **chosen) + "#failures-cases"

    by_severity = [
        html.Td(stay(f"{sum(c.n for c in mine if c.label == level):,}", cases(severity=level)), className="num")
        for level in reversed(SEVERITIES)
    ]
    by_status = [
        html.Td(stay(f"{sum(c.n for c in mine if c.status == status and c.label != PASSED):,}", cases(status=status)),
                className="num")
        for status in STATUSES[1:]
    ]  # fmt: skip
    share = [html.B(ratio(found, total)), html.Small(f" {percents(low, high)}")]
    entry = DETECTORS[name]
    return html.Tr(
        [
            html.Th(
                [stay(entry.label, cases(), "hs-strong"), html.Span(entry.summary, className="hs-sub")], scope="row"
            ),
            html.Td(share, className="hs-nowrap"),
            html.Td(f"{total:,}", className="num"),
            false_alarms(name),
            *by_severity,
            *by_status,
        ]
    )


def false_alarms(name: str) -> html.Td:
    """How often this detector fired where nothing is wrong; a dash with the reason where that is not known."""
    rate = measured().rates.get(name)
    if rate is None or not rate.n:
        return html.Td(DASH, title=f"Not defined: {why_not(name)}.", className="hs-nowrap")
    share, of = ratio(rate.found, rate.n), f" {percents(*rate.interval)}, n = {rate.n}"
    title = f"{rate.found} of {rate.n} in {NULL_SETS.get(name, 'its null set')}"
    return html.Td([share, html.Small(of)], title=title, className="hs-nowrap")


def about_false_alarms(names: Sequence[str]) -> str:
    """What the column says, and which of these detectors have nothing in it."""
    known = measured()
    without = [f"{DETECTORS[name].label}: {why_not(name)}" for name in names if name not in known.rates]
    told = (
        f"False alarms: how often it fired on {known.model} where by construction nothing is wrong (docs/behaviour.md; "
        f"measured {known.date}). Detectors of wrong or changing answers suppose that one answer is right: their rates "
        "are for prompts that many words continue. "
    )
    return told + (f"No rate: {'; '.join(without)}. " if without else "")


def choices(query: FailuresQuery, facets: FailureFacets) -> list[Component]:
    """Which cases."""
    names: list[Entry] = [("all", query.link(detector="", page=0), None)]
    names += [(entry.label, query.link(detector=name, page=0), None) for name, entry in DETECTORS.items()]
    entry = DETECTORS.get(query.detector)
    first = type(query).from_query({**_pairs(query), "page": "0"})
    return [
        menu("Detector", entry.label if entry else "all", names),
        *_tag_menus(query, facets),
        switch("severity", first, [(name, name) for name in ("all", *reversed(SEVERITIES))], "Severity"),
        switch("status", first, [(name, name) for name in ("all", *STATUSES)], "Status"),
    ]


def _tag_menus(query: FailuresQuery, facets: FailureFacets) -> list[Component]:
    """Tags of prompts, and tags that people gave, where there are any."""
    menus: list[Component] = []
    for name, title, counts in (("tag", "Prompt tag", facets.tags), ("triage_tag", "Your tag", facets.triage_tags)):
        now = getattr(query, name)
        if counts or now:
            entries: list[Entry] = [("all", query.link(**{name: "", "page": 0}), None)]
            entries += [(str(item.value), query.link(**{name: item.value, "page": 0}), item.count) for item in counts]
            menus.append(menu(title, now or "all", entries))
    return menus


def _pairs(query: FailuresQuery) -> dict[str, str]:
    names = ("experiment", "model", "prompt_set", "detector", "severity", "status", "tag", "triage_tag")
    return {name: getattr(query, name) for name in names}


def suite_menu(query: FailuresQuery) -> Component | None:
    """This selection as a prompt set for `headscope run`, or as a table."""
    return download_menu(
        [Download("A suite of these prompts, JSON lines", href=links.failures_file("suite.jsonl", query)),
         Download("These failures, CSV", href=links.failures_file("failures.csv", query))],
        "failures-cases",
    )  # fmt: skip


def case(query: FailuresQuery, row: FailureRow, why: Offences) -> html.Article:
    """One failure: what, where, why it was flagged, and the judgement. why: what to cover."""
    entry = DETECTORS.get(row.detector)
    address = links.run(row.run_id)
    head = [
        html.Span([icon(SEVERITY_ICONS[row.severity]), " ", row.severity], className=f"hs-severity hs-{row.severity}"),
        html.B(entry.label if entry else row.detector),
        html.Span(plain(row.score, 2), className="hs-muted", title="score"),
        html.Span([row.model, " · ", row.prompt_set or DASH, " · ", ", ".join(row.tags)], className="hs-sub-line"),
        html.Span([icon(STATUS_ICONS[row.status]), " ", row.status], className=f"hs-triage hs-{row.status}",
                  **extra(data_triage_status=row.status)),
    ]  # fmt: skip
    return html.Article(
        [
            html.Header(head),
            html.P(run_link(row.text, address, prompt(why, row.run_id), "hs-case-text")),
            html.Div(evidence(row, anything(why, row.run_id)), className="hs-case-evidence"),
            html.Footer(judge(query, row)),
            html.Div(className="hs-case-why", hidden=True),
        ],
        className="hs-case",
        tabIndex="-1",
        **extra(
            data_href=address,
            data_run=row.run_id,
            data_detector=row.detector,
            data_why=links.failure_why(row.run_id, row.detector),
        ),
    )


def judge(query: FailuresQuery, row: FailureRow) -> list[Component]:
    """Buttons, tags and a note; failures.js sends them, and writes tags as here."""
    words = (("confirmed", "Confirm", "y"), ("dismissed", "Dismiss", "x"), ("open", "Reopen", "u"))
    buttons = [
        html.Button(
            label, type="button", className="hs-button hs-small", title=f"key {key}", **extra(data_triage=status)
        )
        for status, label, key in words
    ]
    said: list[Children] = []
    if row.judged_at is not None:
        said = [f"{row.who or 'somebody'}, ", when(row.judged_at), f": {row.note}" if row.note else ""]
    note_button = html.Button("Note", type="button", className="hs-button hs-small", title="key n",
                              **extra(data_triage="note", data_note=row.note))  # fmt: skip
    tag_button = html.Button("Tags", type="button", className="hs-button hs-small", title="key e",
                             **extra(data_triage="tags", data_tags=json.dumps(row.triage_tags)))  # fmt: skip
    why_button = html.Button("Why", type="button", className="hs-button hs-small", title="key w",
                             **extra(data_case_why="1", aria_expanded="false"))  # fmt: skip
    tags = [stay(f"#{tag}", query.link(triage_tag=tag, page=0), "hs-case-tag") for tag in row.triage_tags]
    return [*buttons, note_button, tag_button, why_button, html.Span(tags, className="hs-case-tags"),
            html.Span(said, className="hs-case-said")]  # fmt: skip


def evidence(row: FailureRow, why: Offence | None) -> list[Component]:
    """What the detector saw, in words. why: the run offends, so what is quoted of it is covered."""
    found = row.evidence or {}
    return [
        html.Span([html.Span(f"{name.replace('_', ' ')}: ", className="hs-muted"), *_value(name, value, why)])
        for name, value in found.items()
        if value not in (None, "", [], {})
    ]


def _value(name: str, value: Any, why: Offence | None) -> list[Children]:
    said = _said(name, value)
    quotes = isinstance(value, str | list | dict) and isinstance(said[0], str)
    return [covered(said, said[0], why)] if quotes else said


def _said(name: str, value: Any) -> list[Children]:
    if name.endswith("_run") and isinstance(value, str):
        return [dcc.Link("open", href=links.run(value))]
    if name == "edits" and isinstance(value, list):
        said = [f"{e.get('edit')}: {visible(e.get('before'))} → {visible(e.get('after'))}" for e in value]
        return ["; ".join(said)]
    if isinstance(value, dict):
        return [", ".join(f"{visible(str(key))} ×{count}" for key, count in list(value.items())[:6])]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, float):
        return [plain(value, 3)]
    return [visible(str(value)) if name in ("said", "says", "target", "prefers", "over") else str(value)]


def pager(query: FailuresQuery, total: int) -> Component | None:
    """Links to the pages before and after."""
    last = (total - 1) // PAGE_SIZE
    if last == 0:
        return None
    parts: list[Children] = []
    if query.page > 0:
        parts.append(stay("Previous", query.link(page=query.page - 1) + "#failures-cases", "hs-button"))
    parts.append(html.Span(f"page {query.page + 1:,} of {last + 1:,}", className="hs-muted"))
    if query.page < last:
        parts.append(stay("Next", query.link(page=query.page + 1) + "#failures-cases", "hs-button"))
    return html.Div(parts, className="hs-pager")


def nothing() -> Component:
    """No detector has looked at these runs."""
    return empty_box(
        "Nothing was looked at",
        html.P("The detectors run at the end of every `headscope run`. For runs that were stored before:"),
        copyable("headscope detect --experiment NAME"),
        icon_name="bug",
    )


LIMITS = html.Ul([
    html.Li("A detector applies a rule to stored numbers. It is wrong where the prompt's target is not the only "
            "right word: look, then confirm or dismiss."),
    html.Li("Severity says how far a rule is broken, not what harm is done."),
    html.Li("No failures found means none that these rules know, on these prompts."),
])  # fmt: skip
