"""Methods without scores, and why."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.pages.methods.query import label
from headscope.dashboard.words import plural
from headscope.storage.rows import MethodFailure, MethodStats

REASONS = 3  # per method


def failed(stats: Sequence[MethodStats], failures: Sequence[MethodFailure]) -> Component | None:
    """Methods without scores on some runs, and why."""
    counts: dict[str, tuple[int, int]] = {}
    for row in stats:
        before = counts.get(row.method, (0, 0))
        counts[row.method] = before[0] + row.n_failed, before[1] + row.n
    entries = []
    for method, (n_failed, n) in counts.items():
        reasons = [item for item in failures if item.method == method]
        if n_failed:
            entries.append(failure(method, n_failed, n, reasons))
    if not entries:
        return None
    return html.Div([html.H3("Failed"), html.Ul(entries, className="hs-reasons")], className="hs-methods-failed")


def failure(method: str, n_failed: int, n: int, reasons: Sequence[MethodFailure]) -> html.Li:
    """How often a method failed, and its most frequent reasons with a run each."""
    lines: list[Component] = [
        html.Span([html.B(label(method)), f" has no scores on {n_failed:,} of {plural(n, 'run')}"])
    ]
    for item in reasons[:REASONS]:
        link = dcc.Link(f"{item.count:,} ×", href=links.run(item.run_id, (method,)), title="Open one of them")
        lines.append(html.Span([link, " ", item.reason], className="hs-sub"))
    if len(reasons) > REASONS:
        lines.append(html.Span(f"and {plural(len(reasons) - REASONS, 'more reason')}", className="hs-sub"))
    return html.Li(lines)
