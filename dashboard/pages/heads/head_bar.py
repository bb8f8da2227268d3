"""The bar of a head's page: which head, over which runs, and the heads beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dash import dcc, html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import Children, empty_box, extra, guarded
from headscope.dashboard.pages.heads.one import all_heads
from headscope.dashboard.pages.heads.query import HeadQuery, HeadsQuery, read
from headscope.dashboard.parts import Entry, menu, warning
from headscope.dashboard.scoped.bar import (
    any_runs,
    cautions,
    choose,
    facet_menus,
    no_runs,
    no_such_runs,
    offered,
    selection_menus,
)
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import ExperimentRow

STEPS = (("[", "layer before", -1, 0), ("]", "next layer", 1, 0), (",", "head before", 0, -1), (".", "next head", 0, 1))


@guarded("read the experiments")
def head_bar(store: RunReader, query: HeadQuery, purpose: str) -> Children:
    """The bar, or what is to be chosen first, or why there is no such head."""
    if query.cell is None or not query.model:
        return no_address()
    rows = [row for row in store.experiments() if row.n_succeeded]
    mine = [row for row in rows if query.model in row.models]
    if not mine:
        return no_such_model(query, rows)
    title = html.H2(named(query), className="hs-head-name")
    some = offered(store, query, mine)
    if not query.chosen:
        return [title, choose(some, query, purpose, len(mine))]
    if query.beyond:
        return [
            title,
            *selection_menus(store, query, ("experiment", "prompt_set")),
            *_below(store, query, no_such_runs),
        ]
    experiments: list[Entry] = [(row.name, query.link(experiment=row.name, prompt_set=""), row.n_runs) for row in some]
    menus = facet_menus(store, query, replace(query, prompt_set="").where(), ("prompt_set",))
    return [title, menu("Experiment", query.experiment, experiments), *menus, *_below(store, query, no_runs)]


def _below(store: RunReader, query: HeadQuery, nothing: Callable[[HeadQuery], Component]) -> list[Children]:
    """The heads beside it and what else there is of the runs; where there are none, that."""
    if not any_runs(store, query):
        return [nothing(query)]
    heads = read(store, query)
    steps = [] if heads is None else list(_steps(query, heads.chosen(query).mean.shape))
    return [
        html.Span(steps, className="hs-head-steps", role="group", **extra(aria_label="Heads beside it")),
        dcc.Link("All heads", href=all_heads(query, query.model)),
        dcc.Link("Show the runs", href=query.runs(), className="hs-scope-runs"),
        *map(warning, cautions(store.model_settings(query.where()))),
    ]


def named(query: HeadQuery) -> str:
    """Layer 5, head 3 of gpt2."""
    layer, _, head = query.head.partition(".")
    return f"Layer {layer}, head {head} of {query.model}"


def _steps(query: HeadQuery, shape: Sequence[int]) -> Iterator[Component]:
    """Links to the heads beside it; at an edge there is none."""
    if query.cell is None:
        return
    for key, text, layers, heads in STEPS:
        layer, head = query.cell[0] + layers, query.cell[1] + heads
        if 0 <= layer < shape[0] and 0 <= head < shape[1]:
            address = query.link(head=f"{layer}.{head}")
            name = f"head-{text.replace(' ', '-')}"  # head.js knows the key of each
            yield dcc.Link(f"{text} {layer}.{head}", href=address, title=f"{text} (key {key})", id=name)


def no_address() -> Component:
    """An address that names no head."""
    return empty_box(
        "No such head",
        html.P(f"The address of a head is {links.HEADS}/MODEL/LAYER/HEAD, as {links.HEADS}/gpt2/5/1: layer and head "
               "count from 0, and slashes of a model's name may stand as they are."),
        html.P(dcc.Link("Show all heads", href=links.HEADS)),
        icon_name="diagram-3",
    )  # fmt: skip


def no_such_model(query: HeadQuery, rows: Sequence[ExperimentRow]) -> Component:
    """No succeeded run is of this model: those there are."""
    models = sorted({model for row in rows for model in row.models})
    layer, _, head = query.head.partition(".")
    there = [dcc.Link(model, href=links.head(model, layer, head, HeadQuery())) for model in models]
    said: list[Children] = []
    for link in there:
        said += [", "] if said else []
        said.append(link)
    without = html.P(["The ", dcc.Link("overview", href=links.OVERVIEW), " says how to make some."])
    return empty_box(
        "No such model",
        html.P(f"No run that succeeded is of a model called “{query.model}”: "
               f"{'the same head of those there are' if there else 'there are no runs at all'}."),
        html.P(said) if there else without,
        html.P(dcc.Link("Show all heads", href=HeadsQuery(experiment=query.experiment).link())),
        icon_name="diagram-3",
    )  # fmt: skip
