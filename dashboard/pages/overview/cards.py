"""What stands on the overview: one query, and every card drawn from it."""

from __future__ import annotations

import hashlib

from dash import html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.dashboard.cards import (
    Children,
    card,
    error_box,
)
from headscope.dashboard.pages.overview.jobs import jobs_card
from headscope.dashboard.pages.overview.view import (
    empty_store,
    experiments_table,
    failures,
    models_list,
    prompt_sets_list,
    recent_table,
    totals,
)
from headscope.dashboard.services import Services
from headscope.storage.rows import Offences, Overview


def content(services: Services, digest: str | None) -> tuple[Children, str]:
    """The page's body and a digest of what it shows; PreventUpdate when `digest` says it is shown already."""
    try:
        overview = services.store.overview(services.settings.recent)
    except Exception as error:
        return error_box("read the store", error), "failed"
    now = hashlib.sha256(repr(overview).encode()).hexdigest()
    if now == digest:
        raise PreventUpdate
    return body(overview, services.store.url, _offences(services, overview)), now


def _offences(services: Services, overview: Overview) -> Offences:
    return services.store.offensive([row.id for row in (*overview.recent_runs, *overview.recent_failures)])


def body(overview: Overview, store_url: str, why: Offences) -> Children:
    """Everything below the page's head. why: what of the runs shown is offensive."""
    jobs = jobs_card(overview.jobs, store_url)
    if not sum(overview.status_counts.values()):
        return [empty_store(store_url), jobs]
    return [
        totals(overview),
        html.Div(
            [
                html.Div([jobs, experiments_card(overview), recent_card(overview, why)], className="hs-wide hs-stack"),
                html.Div([failures_card(overview, why), *sources_cards(overview)], className="hs-side hs-stack"),
            ],
            className="hs-grid",
        ),
    ]


def experiments_card(overview: Overview) -> Component:
    """Experiments with their outcome."""
    subtitle = "Runs by outcome. A run is one prompt through one model."
    return card("Experiments", experiments_table(overview.experiments), id="overview-experiments", subtitle=subtitle)


def recent_card(overview: Overview, why: Offences) -> Component:
    """What came in last."""
    subtitle = "Newest first. Surprisal is the mean over the tokens of the prompt."
    return card("Recent runs", recent_table(overview.recent_runs, why), id="overview-recent", subtitle=subtitle)


def failures_card(overview: Overview, why: Offences) -> Component:
    """What went wrong."""
    subtitle = "Prompts that could not be analysed, by reason."
    return card("Failures", failures(overview, why), id="overview-failures", subtitle=subtitle)


def sources_cards(overview: Overview) -> list[Component]:
    """Models and prompt sets."""
    models, sets = models_list(overview.models), prompt_sets_list(overview.prompt_sets)
    return [
        card("Models", models, id="overview-models", subtitle="Runs of each."),
        card("Prompt sets", sets, id="overview-prompt-sets", subtitle="Runs of each."),
    ]
