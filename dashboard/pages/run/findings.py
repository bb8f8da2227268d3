"""What the probes found in a run, with the evidence; and arrays that measurements of other packages gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from dash import html
from dash.development.base_component import Component

from headscope.analysis.classifiers.tone_limits import LIMITS
from headscope.analysis.registry import DETECTORS, MEASUREMENTS, PROBES
from headscope.analysis.types import MeasuredArray
from headscope.analysis.types.findings import PASSED, ProbeResult
from headscope.dashboard.cards import Children, extra
from headscope.dashboard.numbers import plain
from headscope.dashboard.parts import note
from headscope.dashboard.tables import table
from headscope.dashboard.text import visible
from headscope.dashboard.words import DASH
from headscope.storage.rows import RunDetail

MOST_NUMBERS = 200
PLACES = 4


def has_findings(detail: RunDetail) -> bool:
    """Whether there is anything for the card: toxicity and tone have cards of their own."""
    return bool(detail.measured or _told_of(detail))


def _told_of(detail: RunDetail) -> list[ProbeResult]:
    """Of probes everything, of failure detectors what they found: that they found nothing is no news."""
    probes = [found for found in detail.findings if isinstance(found, ProbeResult) and found.probe not in LIMITS]
    return [found for found in probes if found.label != PASSED]


def findings(detail: RunDetail) -> Children:
    """A row for each probe and each failure; under them, arrays of measurements as tables."""
    rows = [html.Tr([_name(found), _score(found), html.Td(evidence_cell(found, detail))]) for found in _told_of(detail)]
    parts: list[Component] = [table(["Probe", "Score>", "Evidence"], rows)] if rows else []
    return [*parts, *(_array(item, detail) for item in detail.measured)]


def _name(found: ProbeResult) -> html.Td:
    entry = PROBES.get(found.probe) or DETECTORS.get(found.probe)
    label = found.probe if entry is None else entry.label
    return html.Td(label, title="" if entry is None else entry.summary)


def _score(found: ProbeResult) -> html.Td:
    label = [html.Small(f" {found.label}", className="hs-muted")] if found.label else []
    return html.Td([plain(found.score, PLACES), *label], className="num")


def evidence_cell(found: ProbeResult, detail: RunDetail, apart: Sequence[str] = ()) -> Children:
    """Why it was not measured; else marked text where the probe gives spans, and its other facts but those shown
    `apart`."""
    if (error := found.evidence.get("error")) is not None:
        return html.Span(f"not measured: {error}", className="hs-muted")
    spans, text = found.evidence.get("spans"), detail.continuation.text if detail.continuation else ""
    facts = {name: value for name, value in found.evidence.items() if name not in ("spans", *apart)}
    marked = [html.P(_marked(text, spans), **extra(dir="auto"))] if spans and text else []
    return [*marked, html.Small(_told(facts), className="hs-muted")]


def _marked(text: str, spans: Sequence[Sequence[int]]) -> list[Component | str]:
    """The text with its spans `[start, end]` (in order, apart from each other) marked."""
    parts: list[Component | str] = []
    done = 0
    for start, end in spans:
        parts += [text[done:start], html.Mark(text[start:end])]
        done = end
    return [*parts, text[done:]]


def _told(facts: Mapping[str, Any]) -> str:
    return "; ".join(f"{name.replace('_', ' ')}: {_short(value)}" for name, value in facts.items())


def _short(value: Any) -> str:
    if isinstance(value, float):
        return plain(value, PLACES)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_short(item)}" for key, item in list(value.items())[:8])
    if isinstance(value, list | tuple):
        return ", ".join(_short(item) for item in value[:8]) + ("…" if len(value) > 8 else "")
    return str(value)


def _array(item: MeasuredArray, detail: RunDetail) -> Component:
    """Numbers by their last axis, one row for each place on the others; tokens stand over positions."""
    entry = MEASUREMENTS.get(item.name)
    title = f"{item.name if entry is None else entry.label}{f', {item.unit}' if item.unit else ''}"
    width = item.values.shape[-1] if item.values.ndim else 1
    grid = item.values.reshape(-1, max(1, width))
    tokens = detail.trace.tokens.texts if detail.trace is not None and item.axes[-1:] == ("position",) else ()
    named = [visible(token) for token in tokens] if len(tokens) == width else [str(i) for i in range(width)]
    shown = grid[: max(1, MOST_NUMBERS // max(1, width)), :MOST_NUMBERS]
    head = [" × ".join(item.axes[:-1]), *(f"{name}>" for name in named[:MOST_NUMBERS])]
    rows = [
        html.Tr([html.Td(_place(index, item.values.shape[:-1])), *(html.Td(_number(v), className="num") for v in row)])
        for index, row in enumerate(shown)
    ]
    cut = grid.size - shown.size
    rest = [note(f"{cut:,} more numbers: the SQL view v_measured and the JSON export have them all.")] if cut else []
    return html.Div([html.H3(title), table(head, rows), *rest])


def _place(index: int, shape: tuple[int, ...]) -> str:
    return ", ".join(str(int(i)) for i in np.unravel_index(index, shape)) if shape else ""


def _number(value: np.float32) -> str:
    return plain(float(value), 3) if np.isfinite(value) else DASH
