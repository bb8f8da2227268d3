"""The overview's card of jobs that are at work, or ended before every prompt was stored."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from headscope.analysis.types import RunStatus
from headscope.dashboard.cards import card, copyable, status_badge
from headscope.dashboard.tables import table, when
from headscope.storage import session
from headscope.storage.rows import JobRow

AT_WORK = {RunStatus.QUEUED, RunStatus.RUNNING}


def jobs_card(jobs: Sequence[JobRow], store_url: str) -> Component | None:
    """Status, what was asked for, how far it is, and how to go on; None when every job succeeded."""
    if not jobs:
        return None
    head = ("Status", "Experiment", "Model", "Prompts stored>", "Started>")
    body = [table(head, [_row(job) for job in jobs])]
    stopped = next((job for job in jobs if job.status not in AT_WORK), None)
    if stopped is not None:
        body += [
            html.P(f"Go on with the {stopped.status.value} job of {stopped.experiment}:", className="hs-muted"),
            copyable(f"headscope run --resume {stopped.id} --store {shlex.quote(session.shown(store_url))}"),
        ]
    return card(
        "Jobs",
        html.Div(body),
        id="overview-jobs",
        subtitle="At work, or ended early. An interrupted one lost its process; what it stored is kept.",
    )


def _row(job: JobRow) -> html.Tr:
    reason = html.Span(job.error, className="hs-sub hs-clamp") if job.error else None
    return html.Tr(
        [
            html.Td(status_badge(job.status)),
            html.Td([html.Span(job.experiment, className="hs-strong"), reason]),
            html.Td(job.model),
            html.Td(f"{job.done:,} of {job.total:,}", className="num"),
            html.Td(when(job.created_at), className="num"),
        ]
    )
