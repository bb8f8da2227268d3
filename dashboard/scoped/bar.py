"""Which runs a page is about: an experiment first, then model and prompt set within it. All choices are links."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import Children, empty_box, extra, guarded
from headscope.dashboard.parts import Entry, menu, stay, warning
from headscope.dashboard.scoped.query import ScopeQuery
from headscope.dashboard.tables import table, when
from headscope.dashboard.words import plural
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, ExperimentRow, ModelSettings, RunFilter

SETTINGS: dict[str, Callable[[Any], str]] = {
    "dtype": lambda dtype: f"in {dtype}",
    "device": lambda device: f"on {device or 'an unknown device'}",
    "start_token": lambda given: f"{'with' if given else 'without'} a start token",
    "chat": lambda given: f"{'in' if given else 'without'} the chat template",
}


@guarded("read the experiments")
def scope_bar(store: RunReader, query: ScopeQuery, purpose: str) -> Children:
    """The bar above the cards, or the list of experiments to choose from. `purpose` completes "... of one
    experiment."."""
    experiments = [row for row in store.overview().experiments if row.n_succeeded]
    if not query.experiment:
        return choose(experiments, query, purpose)
    fresh = type(query)()
    names: list[Entry] = [(row.name, fresh.link(experiment=row.name), row.n_runs) for row in experiments]
    parts: list[Children] = [menu("Experiment", query.experiment, names)]
    within = RunFilter((Condition("experiment", "eq", query.experiment), Condition("status", "eq", "succeeded")))
    counts = store.facets(within, ["model", "prompt_set"])
    for name, title in (("model", "Model"), ("prompt_set", "Prompt set")):
        entries: list[Entry] = [("all", query.link(**{name: ""}), None)]
        entries += [(item.value, query.link(**{name: item.value}), item.count) for item in counts[name] if item.value]
        parts.append(menu(title, getattr(query, name) or "all", entries))
    if not any_runs(store, query):
        return [*parts, no_runs(query)]
    parts.append(dcc.Link("Show the runs", href=query.runs(), className="hs-scope-runs"))
    return [*parts, *map(warning, cautions(store.model_settings(query.where())))]


def cautions(rows: Sequence[ModelSettings]) -> list[str]:
    """What is to be known before the runs are counted together."""
    return [*mixed(rows), *changed(rows)]


def mixed(rows: Sequence[ModelSettings]) -> list[str]:
    """A sentence for each model whose runs differ in how they were computed: pages count them as one model's."""
    said = []
    for model in dict.fromkeys(row.model for row in rows):
        mine = [row for row in rows if row.model == model]
        told = [_counted(mine, name, words) for name, words in SETTINGS.items()]
        if differences := "; ".join(filter(None, told)):
            said.append(f"Runs of {model} that were computed differently are counted together here: {differences}.")
    return said


def changed(rows: Sequence[ModelSettings]) -> list[str]:
    """A sentence on the runs with interventions, which pages count like any other; none where there is none."""
    n, total = sum(row.n_runs for row in rows if row.changed), sum(row.n_runs for row in rows)
    if not n:
        return []
    return [
        f"{n:,} of these {plural(total, 'run')} {'has' if n == 1 else 'have'} interventions: the model was changed "
        "while it ran. They are counted like any other here; keep them in an experiment of their own."
    ]


def _counted(rows: Sequence[ModelSettings], name: str, words: Callable[[Any], str]) -> str:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[words(getattr(row, name))] += row.n_runs
    return ", ".join(f"{n:,} {said}" for said, n in counts.most_common()) if len(counts) > 1 else ""


def any_runs(store: RunReader, query: ScopeQuery) -> bool:
    """Whether the link stands for any run at all."""
    return store.runs_page(query.where(), limit=1).total > 0


def no_runs(query: ScopeQuery) -> Component:
    """A link that no run fits."""
    said = ", ".join(f"{name.replace('_', ' ')} “{value}”" for name, value in query.scope().items())
    return empty_box("No such runs", html.P(f"There is no run with {said}: choose another above."))


def choose(experiments: list[ExperimentRow], query: ScopeQuery, purpose: str) -> Component:
    """No experiment in the link."""
    if not experiments:
        return empty_box(
            "No runs yet",
            html.P([f"{purpose} of stored runs, and there are none. The ", dcc.Link("overview", href=links.OVERVIEW),
                    " says how to make some."]),
            icon_name=query.PAGE.icon,
        )  # fmt: skip
    rows = [_experiment_row(row, query) for row in experiments]
    return html.Section(
        [
            html.H2("Choose an experiment"),
            html.P(f"{purpose} of one experiment.", className="hs-muted"),
            table(("Experiment", "Models", "Succeeded runs>", "Last run>"), rows, rows_open=True),
        ],
        className="hs-card hs-scope-choose",
    )


def _experiment_row(row: ExperimentRow, query: ScopeQuery) -> html.Tr:
    address = query.link(experiment=row.name)
    return html.Tr(
        [
            html.Td(stay(row.name, address, "hs-strong")),
            html.Td(", ".join(row.models)),
            html.Td(f"{row.n_succeeded:,}", className="num"),
            html.Td(when(row.last_run_at or row.created_at), className="num"),
        ],
        **extra(data_href=address),
    )
