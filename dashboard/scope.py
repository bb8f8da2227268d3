"""Which runs a page is about: an experiment first, then model and prompt set within it. All choices are links."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.cards import Children, empty_box, extra, guarded
from dashboard.parts import Entry, menu, stay
from dashboard.scope_query import ScopeQuery
from dashboard.tables import table, when
from storage.interfaces import RunReader
from storage.rows import Condition, ExperimentRow, RunFilter


@guarded("read the experiments")
def scope_bar(store: RunReader, query: ScopeQuery, purpose: str, icon_name: str) -> Children:
    """The bar above the cards, or the list of experiments to choose from. `purpose` completes "... of one
    experiment."."""
    experiments = [row for row in store.overview().experiments if row.n_succeeded]
    if not query.experiment:
        return choose(experiments, query, purpose, icon_name)
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
    return parts


def any_runs(store: RunReader, query: ScopeQuery) -> bool:
    """Whether the link stands for any run at all."""
    return store.runs_page(query.where(), limit=1).total > 0


def no_runs(query: ScopeQuery) -> Component:
    """A link that no run fits."""
    said = ", ".join(f"{name.replace('_', ' ')} “{value}”" for name, value in query.scope().items())
    return empty_box("No such runs", html.P(f"There is no run with {said}: choose another above."))


def choose(experiments: list[ExperimentRow], query: ScopeQuery, purpose: str, icon_name: str) -> Component:
    """No experiment in the link."""
    if not experiments:
        return empty_box(
            "No runs yet",
            html.P([f"{purpose} of stored runs, and there are none. The ", dcc.Link("overview", href="/"),
                    " says how to make some."]),
            icon_name=icon_name,
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
