"""Choosing the runs: search by text or experiment, what is recent, and what goes well with the other run."""

from __future__ import annotations

from collections.abc import Sequence

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from headscope.dashboard.cards import Children, extra, icon, status_badge
from headscope.dashboard.covered import covered, prompt
from headscope.dashboard.pages.compare.query import letter
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, Offences, RunFilter, RunRow

FOUND = 12
SUGGESTED = 6


def picker(side: str, title: str, run: RunRow | None, why: Offences, invitation: str = "Choose a run") -> html.Details:
    """The chosen run, and a panel with a search field that opens on click; compare.js puts the choice into the link."""
    chosen = _summary(run, why) if run else [html.Span(invitation, className="hs-muted")]
    return html.Details(
        [
            html.Summary([html.Span(title, className=f"hs-ab hs-ab-{side}"), html.Span(chosen, className="hs-pick-now"),
                          icon("chevron-down")]),
            html.Div(
                [
                    html.Div(dbc.Input(id=f"compare-search-{side}", type="search", className="hs-field",
                                       placeholder="Search text or experiment", autocomplete="off"),
                             **extra(data_typed=f"compare-typed-{side}")),
                    dcc.Store(id=f"compare-typed-{side}"),
                    html.Div(id=f"compare-found-{side}", className="hs-pick-list"),
                ],
                className="hs-pick-panel",
            ),
        ],
        className="hs-pick",
        id=f"compare-pick-{side}",
    )  # fmt: skip


def further(rows: Sequence[RunRow], most: int, why: Offences) -> html.Div:
    """The runs beside A and B, each with a way out, and a picker for one more while there is room."""
    ids = [row.id for row in rows]
    chips = [
        html.Span(
            [
                html.Span(letter(2 + i), className="hs-ab hs-ab-b"),
                html.Span([_text(row, why), f" · {row.model}"], className="hs-ellipsis"),
                html.Button(icon("x-lg"), type="button", title=f"Leave out {letter(2 + i)}",
                            **extra(data_compare_set=f"more={','.join(id_ for id_ in ids if id_ != row.id)}",
                                    aria_label=f"Leave out {letter(2 + i)}")),
            ],
            className="hs-chip hs-pick-chip", title="" if prompt(why, row.id) else row.text or "",
        )
        for i, row in enumerate(rows)
    ]  # fmt: skip
    add = picker("more", "+", None, why, "Add a run") if len(rows) + 2 < most else None
    return html.Div([*chips, add], className="hs-pick-further")


def found_view(store: RunReader, side: str, search: str, other_id: str, kept: str = "") -> Children:
    """Suggestions that fit the other side, then search results or recent runs. `kept`: what the link has already."""
    other = next(iter(store.runs([other_id])), None) if other_id else None
    fitting = suggestions(store, other) if other and not search else ()
    rows = [row for row in search_runs(store, search) if row.id not in {*(r.id for r in fitting), other_id}]
    groups = [("Goes with the other run", fitting), ("Found" if search else "Recent", rows)]
    why = store.offensive([row.id for _, runs in groups for row in runs])
    shown = [_group(title, f"{side}={kept}", runs, why) for title, runs in groups if runs]
    return shown or [html.P("No run matches. Search looks in the text, target, prompt key and experiment.",
                            className="hs-muted")]  # fmt: skip


def search_runs(store: RunReader, search: str) -> tuple[RunRow, ...]:
    """Newest first; by text, and by experiment."""
    text = search.strip()
    by_text = store.runs_page(RunFilter(search=text), limit=FOUND).rows
    if not text:
        return by_text
    by_experiment = store.runs_page(RunFilter((Condition("experiment", "contains", text),)), limit=FOUND).rows
    seen = {row.id for row in by_text}
    return (*by_text, *(row for row in by_experiment if row.id not in seen))[:FOUND]


def suggestions(store: RunReader, other: RunRow) -> tuple[RunRow, ...]:
    """The same text on other models first, then the counterpart of its pair."""
    wheres = [RunFilter((Condition("text", "eq", other.text), Condition("model_id", "ne", other.model_id)))]
    if other.pair_id:
        same_model = Condition("model_id", "eq", other.model_id)
        wheres.append(RunFilter((Condition("pair_id", "eq", other.pair_id), same_model)))
    rows = [row for where in wheres for row in store.runs_page(where, limit=SUGGESTED).rows if row.id != other.id]
    return tuple(rows[:SUGGESTED])


def _group(title: str, link: str, rows: Sequence[RunRow], why: Offences) -> Component:
    buttons = [
        html.Button(
            _summary(row, why), type="button", className="hs-pick-run", **extra(data_compare_set=f"{link}{row.id}")
        )
        for row in rows
    ]
    return html.Section([html.H3(title), *buttons])


def _text(row: RunRow, why: Offences) -> Children:
    """Inside of a control: the switch of the shell uncovers it, or the button above the comparison."""
    return covered(row.text or "(empty text)", row.text, prompt(why, row.id), button=False)


def _summary(row: RunRow, why: Offences) -> list[Component]:
    return [
        html.Span(_text(row, why), className="hs-pick-text"),
        html.Small([f"{row.model} · {row.experiment} · {row.created_at:%Y-%m-%d %H:%M} · ", status_badge(row.status)]),
    ]
