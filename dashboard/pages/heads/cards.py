"""The cards of the Heads page: the map of all heads, the table with their labels, and what looks important."""

from __future__ import annotations

from dataclasses import replace

from dash import dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import PICTURES, Children, Download, copyable, download_menu, empty_box
from headscope.dashboard.figures.heads import head_map, looks_and_is
from headscope.dashboard.pages.heads import view
from headscope.dashboard.pages.heads.query import Heads, HeadsQuery, HeadState, meaning_of, name_of, read
from headscope.dashboard.pages.heads.rows import ATTENTION, map_of
from headscope.dashboard.parts import Entry, graph, menu, note, sql_box, switch, warning
from headscope.dashboard.services import Services
from headscope.dashboard.words import plural, shape
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import HeadMeans

SORTS = (("value", "by the statistic"), ("removal", "by removal"), ("layer", "by layer"))
HOW = (
    "Means over the runs that have a value, with 95 % intervals from n, mean, standard deviation and skewness (at "
    "either end the further one of Student's and Hall's): they take runs as independent, so prompts that come in pairs "
    "make them too narrow."
)

HEADS_FILE, LABELS_FILE, MODELS_FILE = "heads.csv", "labels.csv", "models.csv"


def show_map(services: Services, query: HeadsQuery) -> Children:
    """One statistic of every head."""
    heads = read(services.store, query)
    if heads is None:
        return nothing(query)
    item = heads.chosen(query)
    body = [
        *view.newest(heads),
        *cautions(query, heads, item),
        graph(head_map(map_of(item))),
        html.P([html.B(name_of(item.statistic)), f": {meaning_of(item.statistic)} {heads.model}, "
                f"{shape(*item.mean.shape)}, {view.runs_said(item)}."], className="hs-said"),
        note(HOW),
        sql_box(statement) if (statement := sql(services.store, query, heads, item)) else None,
    ]  # fmt: skip
    downloads = [Download("CSV", href=links.heads_file(HEADS_FILE, query)), *PICTURES]
    return body, [statistic_menu(query, heads, "stat", "Statistic", item), download_menu(downloads, "heads-map")]


def show_table(services: Services, query: HeadsQuery) -> Children:
    """Heads with their labels, a page at a time."""
    heads = read(services.store, query)
    if heads is None:
        return None
    item = heads.chosen(query)
    order = view.order(query, heads, item)
    body = [
        *view.newest(heads),
        view.label_chooser(query, heads),
        view.table_of(query, heads, item, order) if order else view.no_such_label(query, heads),
        view.pager(query, len(order)),
        view.meanings(),
        note("A label is a rule over means: the whole interval lies beyond the threshold, else the head has none. "
             "A name mover's rests on the weights (OV copying) and on the output (direct logit attribution): both have "
             "to be measured."),
    ]  # fmt: skip
    labelled = any(heads.labels.get(cell) for cell in order)
    csv = [Download("CSV", href=links.heads_file(LABELS_FILE, query))] if labelled else []
    return body, [switch("sort", query, SORTS, "Order"), download_menu(csv, "heads-table")]


def show_importance(services: Services, query: HeadsQuery) -> Children:
    """What looks important against what removal shows."""
    heads = read(services.store, query)
    if heads is None:
        return None
    removal = heads.removal
    if removal is None:
        return empty_box(
            "No head was removed in these runs",
            html.P("Where a head looks does not say whether the answer needs it. Removing every head in turn does:"),
            copyable(view.command(query, heads.model)),
            icon_name="scissors",
        )
    looks = heads.looking(query)
    by_size = looks.statistic not in ATTENTION
    across = map_of(looks, size=by_size)
    body = [
        *view.newest(heads),
        *([warning(f"n differs: {view.runs_said(looks)} for {name_of(looks.statistic)}, {view.runs_said(removal)} for "
                   f"{name_of(removal.statistic)}.")] if looks.n.max() != removal.n.max() else []),
        graph(looks_and_is(across, map_of(removal, size=True))),
        html.P(view.agreement(across.mean, removal.mean_size), className="hs-said"),
        note(f"Each point is a head: {'mean size' if by_size else 'mean'} of {name_of(looks.statistic)} against the "
             f"mean size of the change that its removal makes, {view.runs_said(removal)}, {view.setting(removal)}. A "
             "head far right and low looks important and is not; backups can hide one that is (co-ablation counts "
             "them)."),
    ]  # fmt: skip
    menu_of = statistic_menu(query, heads, "looks", "Looks important by", looks)
    return body, [menu_of, download_menu(PICTURES, "heads-matter")]


def sql(store: RunReader, query: HeadsQuery, heads: Heads, item: HeadMeans) -> str:
    """The statement that gives the means; "" where it is not one for people to read, or would be of other runs."""
    if not query.narrowed.is_filtered:
        return view.sql(query, heads.model, item)
    if heads.read or item.statistic not in ATTENTION:
        return ""
    return view.sql_over(store.ids_sql(replace(query, model=heads.model).where()), item.statistic)


def statistic_menu(query: HeadsQuery, heads: Heads, key: str, label: str, now: HeadMeans) -> Component:
    """Every statistic that was measured, with how many runs have it."""
    entries: list[Entry] = [
        (name_of(name), query.link(**{key: name}), int(item.n.max())) for name, item in heads.stats.items()
    ]
    return menu(label, name_of(now.statistic), entries)


def cautions(query: HeadsQuery, heads: Heads, item: HeadMeans) -> list[Component]:
    """What is not in these numbers."""
    found: list[Component] = []
    if len(heads.models) > 1:
        found.append(
            warning(f"{plural(len(heads.models), 'model')} ran here; shown is {heads.model}. Choose another above.")
        )
    if query.stat not in heads.stats and query.stat != item.statistic:
        found.append(
            warning(f"{name_of(query.stat)} was not measured in these runs; {name_of(item.statistic)} is shown.")
        )
    others = [other for other in heads.others if other.statistic == item.statistic]
    if others:
        said = "; ".join(f"{view.setting(other)}, {view.runs_said(other)}" for other in others)
        found.append(warning(f"Shown: {view.setting(item)}. Measured otherwise, and left out: {said}."))
    return found


def nothing(query: HeadState) -> Component:
    """No run of the scope has anything about heads."""
    return empty_box(
        "No heads were measured here",
        html.P(["None of the ", dcc.Link("runs chosen", href=query.runs()), " has head statistics. Ask for them:"]),
        copyable(view.command(query, query.model, "heads")),
        icon_name="diagram-3",
    )  # fmt: skip
