"""What the Run page's link says, and what of it fits the run that is shown."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from headscope.dashboard.head_stats import head_stats
from headscope.dashboard.link_state import QueryState, choice, number
from headscope.dashboard.pages.run.tokens import usable
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, RunDetail, RunFilter, RunRow, Sort


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery(QueryState):
    """View state of /run. `pos`: the selected position, T for the next token (also the default).

    layer, head: of the attention explorer; query, key: its pinned query or cell, by which heads are ranked; stat,
    order: how head summaries are sorted; cells: what the overview shows; sink: whether the first token is drawn; top:
    links per query. color, grain, marks: token chips. lens: colour of the lens table. methods: those with a strip,
    separated by commas, all when empty; shares, numbers: their scale and numbers. gen: which generated token is
    explained; source: whose matrix. flow, components: whose layers, whose heads and MLPs. heads: which side the grid of
    heads shows, where they look (by the head summary looks) or what they do (by the method ablation).
    """

    id: str = ""
    pos: int | None = number(None, low=0)
    color: str = "surprisal"
    grain: str = choice("token", "word", "sentence")
    marks: bool = False
    layer: int | None = number(None, low=0)
    head: int | None = number(None, low=0)
    view: str = choice("matrix", "links")
    query: int | None = number(None, low=0)
    key: int | None = number(None, low=0)
    stat: str = "induction_lift"
    order: str = choice("desc", "asc")
    cells: str = choice("pattern", "value")
    scale: str = choice("auto", "fixed", "head", "fit")
    sink: bool = True
    top: int = number(3, low=1, high=8)
    lens: str = choice("prob", "entropy")
    shares: str = choice("own", "shared")
    numbers: bool = True
    methods: str = ""
    gen: int = number(0, low=0)
    source: str = ""
    flow: str = ""
    components: str = ""
    heads: str = choice("looks", "does")
    looks: str = ""
    ablation: str = ""


def defaults() -> dict[str, Any]:
    """Every view key but `id` with its default, in the order of the link."""
    usual = RunQuery()
    return {item.name: getattr(usual, item.name) for item in fields(RunQuery) if item.name not in ("id", "notes")}


def fitted(query: RunQuery, detail: RunDetail) -> RunQuery:
    """The state with everything this run does not have replaced by a default, and a note for each."""
    notes: list[str] = []
    n_tokens = len(detail.trace.tokens) if detail.trace else 0
    limits = {
        "pos": n_tokens + 1,
        "query": n_tokens,
        "key": n_tokens,
        "layer": detail.model.n_layers,
        "head": detail.model.n_heads,
        "gen": len(detail.continuation.ids) if detail.continuation else 1,
    }
    change: dict[str, Any] = {}
    for name, size in limits.items():
        value = getattr(query, name)
        if value is not None and value >= size and n_tokens:
            change[name] = defaults()[name]
            notes.append(f"The link asks for {name} {value}, but this run has only {size} (counted from 0).")
    for name, valid in (("color", _colours(detail)), ("stat", _stats(detail))):
        value = getattr(query, name)
        if valid and value not in valid:
            change[name] = next((usual for usual in (defaults()[name], "previous_token") if usual in valid), valid[0])
            if value != defaults()[name]:
                notes.append(f"The link asks for {name} “{value}”, which this run does not have.")
    change |= _methods(query, detail, notes)
    return _with_head(replace(query, **change, notes=(*query.notes, *notes)), detail)


def _methods(query: RunQuery, detail: RunDetail, notes: list[str]) -> dict[str, str]:
    """What to change in the names of methods in the link; a note for each that this run does not have."""
    have = [item.method for item in detail.attributions]
    asked = {name: [part for part in getattr(query, name).split(",") if part]
             for name in ("methods", "source", "flow", "components", "ablation")}  # fmt: skip
    missing = sorted({part for parts in asked.values() for part in parts if part not in have})
    notes += [f"The link asks for the method “{name}”, which this run does not have." for name in missing]
    if query.looks and query.looks not in _stats(detail):
        notes.append(f"The link asks for the head summary “{query.looks}”, which this run does not have.")
    kept = {name: ",".join(part for part in parts if part in have) for name, parts in asked.items()}
    return kept | {"looks": query.looks if query.looks in _stats(detail) else ""}


def _colours(detail: RunDetail) -> list[str]:
    if detail.trace is None:
        return []
    return ["surprisal", "entropy", *(a.method for a in usable(detail.attributions, len(detail.trace.tokens)))]


def _stats(detail: RunDetail) -> list[str]:
    return list(head_stats(detail.heads)) if detail.heads else []


def _with_head(query: RunQuery, detail: RunDetail) -> RunQuery:
    """Without a head in the link: the middle layer's head that rests least on the first token, as sinks say little."""
    layer = detail.model.n_layers // 2 if query.layer is None else query.layer
    head = query.head
    if head is None:
        first = detail.heads.first_token[layer] if detail.heads else np.full(1, np.nan)
        head = int(np.nanargmin(first)) if np.isfinite(first).any() else 0
    return replace(query, layer=layer, head=head)


def neighbours(store: RunReader, row: RunRow) -> tuple[str | None, str | None]:
    """Ids of the runs before and after this one in its experiment (ids are in the order of creation)."""

    def nearest(op: str, descending: bool) -> str | None:
        where = RunFilter((Condition("experiment_id", "eq", row.experiment_id), Condition("id", op, row.id)))
        page = store.runs_page(where, (Sort("id", descending),), limit=1)
        return page.rows[0].id if page.rows else None

    return nearest("lt", True), nearest("gt", False)
