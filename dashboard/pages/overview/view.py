"""Tables, lists and tiles of the overview."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.types import RunStatus
from headscope.dashboard import links
from headscope.dashboard.cards import (
    copyable,
    empty_box,
    extra,
    icon,
    stat,
    status_badge,
)
from headscope.dashboard.covered import answer, covered, prompt, run_link
from headscope.dashboard.status import first_command
from headscope.dashboard.tables import checked, counted, table, when
from headscope.dashboard.text import visible
from headscope.dashboard.units import bits, parameters, percent_of
from headscope.dashboard.words import plural, shape
from headscope.storage.rows import ExperimentRow, ModelRow, Offences, Overview, PromptSetRow, RunRow

SHOWN_FAILURES = 4


def empty_store(store_url: str) -> Component:
    """What to type first."""
    return html.Div(
        empty_box(
            "No runs yet",
            html.P("Analyse a prompt set with a model, and what is measured appears here while it is being measured:"),
            copyable(first_command(store_url)),
            html.P(
                [
                    "Other prompt sets and models: ",
                    html.Code("headscope datasets list"),
                    ", ",
                    html.Code("headscope models list"),
                    ". To look at a single prompt without storing it, open ",
                    dcc.Link("Live", href=links.LIVE),
                    ".",
                ],
                className="hs-muted",
            ),
            icon_name="database",
        ),
        className="hs-card hs-first-steps",
    )


def totals(overview: Overview) -> Component:
    """The strip of headline numbers; states that do not occur are left out, but for failures, where 0 is news."""
    counts = overview.status_counts
    total = sum(counts.values())
    tiles = [
        stat("Runs", f"{total:,}", href=links.RUNS),
        stat_of(counts.get("succeeded", 0), total, RunStatus.SUCCEEDED),
    ]
    tiles.append(stat_of(counts.get("failed", 0), total, RunStatus.FAILED))
    tiles += [
        stat_of(counts[status], total, status)
        for status in (RunStatus.RUNNING, RunStatus.QUEUED, RunStatus.CANCELLED)
        if counts.get(status)
    ]
    tiles += [
        stat("Experiments", f"{len(overview.experiments):,}", href="#overview-experiments"),
        stat("Models", f"{len(overview.models):,}", href="#overview-models"),
        stat("Prompt sets", f"{len(overview.prompt_sets):,}", href="#overview-prompt-sets"),
    ]
    return html.Div(tiles, className="hs-stats")


def stat_of(count: int, total: int, status: RunStatus) -> Component:
    """A tile for one status."""
    tone = "hs-tone-bad" if status is RunStatus.FAILED and count else ""
    label, hint = status.value.capitalize(), percent_of(count, total)
    return stat(label, f"{count:,}", href=links.runs(status=status.value), hint=hint, tone=tone)


def experiments_table(rows: Sequence[ExperimentRow]) -> Component:
    """One row per experiment."""
    head = ("Experiment", "Models", "Outcome", "Runs>", "Failed>", "Last run>")
    return table(head, [experiment_row(row) for row in rows])


def experiment_row(row: ExperimentRow) -> html.Tr:
    """Name and description, models, proportions, counts."""
    other = row.n_runs - row.n_succeeded - row.n_failed
    parts = ((row.n_succeeded, "succeeded"), (row.n_failed, "failed"), (other, "other"))
    bar = html.Div(
        [html.Span(className=f"hs-bar-{name}", style={"flex": str(count)}) for count, name in parts if count],
        className="hs-bar",
        title=", ".join(f"{count:,} {name}" for count, name in parts if count),
    )
    failed = dcc.Link(
        f"{row.n_failed:,}", href=links.runs(experiment=row.name, status="failed"), className="hs-bad-link"
    ) if row.n_failed else "0"  # fmt: skip
    return html.Tr(
        [
            html.Td(
                [
                    dcc.Link(row.name, href=links.runs(experiment=row.name), className="hs-strong"),
                    html.Span(row.description, className="hs-sub") if row.description else None,
                ]
            ),
            html.Td(", ".join(row.models)),
            html.Td(bar),
            html.Td(dcc.Link(f"{row.n_runs:,}", href=links.runs(experiment=row.name)), className="num"),
            html.Td(failed, className="num"),
            html.Td(when(row.last_run_at or row.created_at), className="num"),
        ]
    )


def failures(overview: Overview, why: Offences) -> Component:
    """Counts by kind, then the newest with their reasons. why: what of them is offensive."""
    if not overview.failure_kinds:
        return html.P([icon("check-circle"), " No failed run in this store."], className="hs-muted")
    counts = overview.failure_kinds.items()
    kinds = [counted(kind, count, links.runs(status="failed", error_kind=kind)) for kind, count in counts]
    newest = [failure(row, why) for row in overview.recent_failures[:SHOWN_FAILURES]]
    return html.Div([html.Ul(kinds, className="hs-counts"), html.Ul(newest, className="hs-reasons")])


def failure(row: RunRow, why: Offences) -> html.Li:
    """The reason, and which prompt it was."""
    text = html.Span(row.text or "(empty text)", className="hs-ellipsis")
    return html.Li(
        [
            dcc.Link(row.error or "no reason stored", href=links.run(row.id), className="hs-strong hs-clamp"),
            html.Span(covered(text, row.text, prompt(why, row.id)), className="hs-sub"),
            html.Span([f"{row.experiment} · {row.prompt_key} · ", when(row.created_at)], className="hs-sub"),
        ]
    )


def recent_table(rows: Sequence[RunRow], why: Offences) -> Component:
    """The newest runs. why: what of them is offensive."""
    head = ("Status", "Prompt", "Model", "Next token", "Surprisal (bits)>", "Stored>")
    return table(head, [recent_row(row, why) for row in rows], rows_open=True)


def recent_row(row: RunRow, why: Offences) -> html.Tr:
    """Status, text or reason, model, candidate, number, time."""
    text = run_link(row.text or "(empty text)", links.run(row.id), prompt(why, row.id))
    reason = html.Span(row.error, className="hs-sub hs-ellipsis") if row.error else None
    probability = "" if row.next_token_prob is None else f" {row.next_token_prob:.3f}"
    token = html.Code(visible(row.next_token))
    return html.Tr(
        [
            html.Td(status_badge(row.status)),
            html.Td([text, reason], className="hs-text"),
            html.Td(row.model, className="hs-nowrap"),
            html.Td(
                [
                    covered(token, row.next_token or "", answer(why, row.id)),
                    html.Span(probability, className="hs-muted hs-num"),
                ],
                className="hs-nowrap",
            ),
            html.Td(bits(row.mean_surprisal), className="num"),
            html.Td(when(row.created_at), className="num"),
        ],
        **extra(data_href=links.run(row.id)),
    )


def models_list(rows: Sequence[ModelRow]) -> Component:
    """Name, shape, runs."""
    return html.Ul(
        [
            counted(
                row.info.ref.name, row.n_runs, links.runs(model=row.info.ref.name),
                _shape(row), checked(row.certificate) if row.certificate else "",
            )
            for row in rows
        ],
        className="hs-counts",
    )  # fmt: skip


def _shape(row: ModelRow) -> str:
    info = row.info
    if not info.n_layers:  # nothing inside is known of it
        return "behind an API"
    return f"{shape(info.n_layers, info.n_heads)} · {parameters(info.n_params)} · {info.ref.dtype}"


def prompt_sets_list(rows: Sequence[PromptSetRow]) -> Component:
    """Name, version, licence, runs."""
    return html.Ul(
        [
            counted(row.name, row.n_runs, links.runs(prompt_set=row.name),
                    " · ".join(filter(None, [f"version {row.version}" if row.version else "",
                                             plural(row.n_prompts, "prompt"),
                                             f"licence {row.licence}" if row.licence else ""])))
            for row in rows
        ],
        className="hs-counts",
    )  # fmt: skip
