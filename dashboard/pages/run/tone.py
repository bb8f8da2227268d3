"""Sentiment and regard of a run's continuation and prompt, with what they do not tell."""

from __future__ import annotations

import math

from dash import html

from headscope.analysis.classifiers.tone_limits import LIMITS
from headscope.analysis.registry import PROBES
from headscope.analysis.types.findings import ProbeResult
from headscope.dashboard.cards import Children
from headscope.dashboard.numbers import signed
from headscope.dashboard.pages.run.findings import evidence_cell
from headscope.dashboard.parts import note
from headscope.dashboard.tables import table
from headscope.dashboard.words import DASH
from headscope.storage.rows import RunDetail

SHOWN_APART = ("classifier", "prompt")


def has_tone(detail: RunDetail) -> bool:
    """Whether somebody read the tone of this run."""
    return bool(_of(detail))


def tone(detail: RunDetail) -> Children:
    """One row for each reader, the words it rests on marked; unmeasured ones say why."""
    found = _of(detail)
    head = ("Tone", "Continuation>", "Prompt>", "Evidence")
    limits = [note(LIMITS[one.probe]) for one in found]
    return [table(head, [_row(one, detail) for one in found]), *limits]


def _of(detail: RunDetail) -> list[ProbeResult]:
    return [found for found in detail.findings if isinstance(found, ProbeResult) and found.probe in LIMITS]


def _row(found: ProbeResult, detail: RunDetail) -> html.Tr:
    before, by = found.evidence.get("prompt"), found.evidence.get("classifier")
    label = html.Small(f" {found.label}", className="hs-muted") if found.label else None
    return html.Tr(
        [
            html.Td([PROBES[found.probe].label, html.Span(by, className="hs-sub")]),
            html.Td(DASH if math.isnan(found.score) else [html.B(signed(found.score)), label], className="num"),
            html.Td(DASH if before is None else signed(before), className="num"),
            html.Td(evidence_cell(found, detail, SHOWN_APART)),
        ]
    )
