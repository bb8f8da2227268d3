"""Which runs a page is about: an experiment first, then model and prompt set within it. All choices are links."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from dash import dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import Children, copyable, empty_box, extra, guarded
from headscope.dashboard.narrowing.chips import chips
from headscope.dashboard.narrowing.query import NarrowingQuery
from headscope.dashboard.parts import Entry, menu, note, stay, warning
from headscope.dashboard.scoped.query import SCOPE, ScopeQuery
from headscope.dashboard.scoped.selection import SelectedQuery
from headscope.dashboard.scoped.subjects import SUBJECTS, Subject
from headscope.dashboard.tables import table, when
from headscope.dashboard.words import plural
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, ExperimentRow, ModelSettings, RunFilter

Q = TypeVar("Q", bound=ScopeQuery)
SUCCEEDED = Condition("status", "eq", "succeeded")
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
    if isinstance(query, SelectedQuery) and query.chosen and query.beyond:
        return [*selection_menus(store, query), *below(store, query, no_such_runs)]
    rows = [row for row in store.experiments() if row.n_succeeded]
    experiments = offered(store, query, rows)
    if not query.experiment:
        return choose(experiments, query, purpose, len(rows))
    fresh = type(query)()
    names: list[Entry] = [(row.name, fresh.link(experiment=row.name), row.n_runs) for row in experiments]
    parts: list[Children] = [menu("Experiment", query.experiment, names)]
    within = RunFilter((Condition("experiment", "eq", query.experiment), SUCCEEDED))
    parts += facet_menus(store, query, within, ("model", "prompt_set"))
    return [*parts, *below(store, query, no_runs)]


def offered(store: RunReader, query: ScopeQuery, rows: Sequence[ExperimentRow]) -> list[ExperimentRow]:
    """Those of these experiments that have something for the page."""
    if not query.SUBJECT:
        return list(rows)
    there = store.experiments_with(query.SUBJECT)
    return [row for row in rows if row.name in there]


def selection_menus(store: RunReader, query: SelectedQuery, names: Sequence[str] = SCOPE) -> list[Children]:
    """What narrows the runs as chips, each with its way out, and menus to narrow them further."""
    where = query.where()
    menus = facet_menus(store, query, replace(where, conditions=(*where.conditions, SUCCEEDED)), names)
    said = chips(
        query.PAGE.path,
        query.selection().without(*set(SCOPE).difference(names)),
        lambda narrowing: query.selecting(narrowing).link(),
    )
    return [html.Div(said, className="hs-chips"), *menus]


def facet_menus(store: RunReader, query: ScopeQuery, within: RunFilter, names: Sequence[str]) -> list[Children]:
    """A menu for each of these columns, to choose one of its values or all."""
    counts, found = store.facets(within, names), []
    for name in names:
        entries: list[Entry] = [("all", query.link(**{name: ""}), None)]
        entries += [(item.value, query.link(**{name: item.value}), item.count) for item in counts[name] if item.value]
        several = isinstance(query, SelectedQuery) and getattr(query.narrowed, name)
        found.append(menu(name.replace("_", " ").capitalize(), getattr(query, name) or ("some" if several else "all"),
                          entries))  # fmt: skip
    return found


def below(store: RunReader, query: Q, nothing: Callable[[Q], Component]) -> list[Children]:
    """The way to the runs and what is to be known of them; where there are none, that."""
    if not any_runs(store, query):
        return [nothing(query)]
    link = dcc.Link("Show the runs", href=query.runs(), className="hs-scope-runs")
    return [link, *map(warning, cautions(store.model_settings(query.where())))]


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


def changed(rows: Sequence[ModelSettings], of: str = "these {runs}", how: str = "counted") -> list[str]:
    """A sentence on the runs with interventions, which pages count like any other; none where there is none. of: what
    the runs are called, how: what is done with them."""
    n, total = sum(row.n_runs for row in rows if row.changed), sum(row.n_runs for row in rows)
    if not n:
        return []
    return [
        f"{n:,} of {of.format(runs=plural(total, 'run'))} {'has' if n == 1 else 'have'} interventions: the model was "
        f"changed while it ran. They are {how} like any other here; keep them in an experiment of their own."
    ]


def _counted(rows: Sequence[ModelSettings], name: str, words: Callable[[Any], str]) -> str:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[words(getattr(row, name))] += row.n_runs
    return ", ".join(f"{n:,} {said}" for said, n in counts.most_common()) if len(counts) > 1 else ""


def any_runs(store: RunReader, query: ScopeQuery) -> bool:
    """Whether the link stands for any run at all."""
    return store.count(query.where()) > 0


def no_runs(query: ScopeQuery) -> Component:
    """A link that no run fits."""
    said = ", ".join(f"{name.replace('_', ' ')} “{value}”" for name, value in query.scope().items())
    return empty_box("No such runs", html.P(f"There is no run with {said}: choose another above."))


def no_such_runs(query: SelectedQuery) -> Component:
    """A selection that no run fits."""
    return empty_box(
        "No run matches",
        html.P("Every condition above must hold. Remove one, or choose other runs:"),
        dcc.Link("Runs", href=query.runs(), className="hs-button"),
        icon_name="funnel",
    )


def choose(experiments: Sequence[ExperimentRow], query: ScopeQuery, purpose: str, total: int) -> Component:
    """No experiment in the link. total: how many there are, with those that have nothing for the page."""
    if not total:
        return empty_box(
            "No runs yet",
            html.P([f"{purpose} of stored runs, and there are none. The ", dcc.Link("overview", href=links.OVERVIEW),
                    " says how to make some."]),
            icon_name=query.PAGE.icon,
        )  # fmt: skip
    subject = SUBJECTS[query.SUBJECT] if len(experiments) < total else None
    if subject and not experiments:
        return empty_box(
            f"No {subject.runs}",
            html.P(f"{purpose} of one experiment, and no experiment here has {subject.runs}. They are made by:"),
            copyable(subject.command),
            icon_name=query.PAGE.icon,
        )  # fmt: skip
    rows = [_experiment_row(row, query) for row in experiments]
    others = _others(query) if isinstance(query, SelectedQuery) else []
    return html.Section(
        [
            html.H2("Choose an experiment"),
            html.P([f"{purpose} of one experiment", *others, "."], className="hs-muted"),
            table(("Experiment", "Models", "Succeeded runs>", "Last run>"), rows, rows_open=True),
            *_not_listed(total - len(experiments), subject),
        ],
        className="hs-card hs-scope-choose",
    )


def _not_listed(left_out: int, subject: Subject | None) -> list[Component]:
    """How many experiments have nothing for the page."""
    return [note(f"Not listed: {plural(left_out, 'experiment')} without {subject.runs}.")] if subject else []


def _others(query: SelectedQuery) -> list[Children]:
    """What else can be chosen."""
    everything = query.selecting(NarrowingQuery(status=("succeeded",))).link()
    return [", of ", stay("the whole store", everything), ", or of any runs: narrow their ",
            dcc.Link("list", href=links.RUNS), " and follow the link above it"]  # fmt: skip


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
