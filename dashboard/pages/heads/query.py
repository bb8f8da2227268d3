"""The state of the Heads page in its link, and what is read from the store for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self
from urllib.parse import unquote

from headscope.analysis.registry import method_entry
from headscope.analysis.statistics.head_labels import Average, HeadLabel, head_labels
from headscope.analysis.types import HEAD_STATS
from headscope.dashboard import links
from headscope.dashboard.head_stats import ROUNDING, STATS
from headscope.dashboard.link_state import choice, number
from headscope.dashboard.narrowing.query import NarrowingQuery
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.selection import SelectedQuery
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import HeadMeans, HeadStats

ALONE = "_alone"
IMPORTANT = ("head_ablation", "co_ablation")
"""What removal says, the first that was measured."""
LOOKS = ("relp", "direct_logit_attribution", "attn_lrp")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadState(SelectedQuery):
    """stat: the statistic that is shown first. head: the one that is looked at, as layer.head."""

    stat: str = "previous_token"
    head: str = ""

    @property
    def cell(self) -> tuple[int, int] | None:
        """Layer and head of `head`; None where it names none."""
        found = re.fullmatch(r"(\d{1,4})\.(\d{1,4})", self.head, re.ASCII)
        return (int(found[1]), int(found[2])) if found else None

    def page_of(self, model: str, layer: int, head: int) -> str:
        """The page of one head of a model, over the same runs."""
        state = HeadQuery(experiment=self.experiment, prompt_set=self.prompt_set, stat=self.stat,
                          narrowed=self.narrowed.without("model"))  # fmt: skip
        return links.head(model, layer, head, state)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadsQuery(HeadState):
    """looks: the other axis of the scatter; label: only heads with it; sort: by the statistic, by layer, or by what
    removal does; page: of the table, from 0."""

    PAGE: ClassVar[Page] = Page("heads", links.HEADS, "Heads", "diagram-3", 26, shortcut="h")
    SUBJECT: ClassVar[str] = "heads"

    looks: str = ""
    label: str = ""
    sort: str = choice("value", "layer", "removal")
    page: int = number(0, low=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadQuery(HeadState):
    """The page of one head, whose address says model, layer and head: `/heads/<model>/<layer>/<head>`."""

    PAGE: ClassVar[Page] = Page("head", f"{links.HEADS}/", "Head", "diagram-3", 27, in_nav=False, below=True)
    SUBJECT: ClassVar[str] = "heads"

    @property
    def chosen(self) -> bool:
        """Whether the link says which runs of the model."""
        return bool(self.experiment or self.prompt_set) or self.narrowed.is_filtered

    @classmethod
    def at(cls, path: str, search: str) -> Self | None:
        """See `ScopeQuery.at`. Slashes of a model's name may stand as they are."""
        if not path.startswith(cls.PAGE.path):
            return None
        model, layer, head = (["", "", "", *path.removeprefix(cls.PAGE.path).rstrip("/").rsplit("/", 2)])[-3:]
        return replace(cls.from_query(search), model=links.named(model), head=f"{unquote(layer)}.{unquote(head)}")

    def link(self, **changes: Any) -> str:
        """This page with some keys changed."""
        state = self.changed(**changes)
        layer, _, head = state.head.partition(".")
        return links.head(state.model, layer, head, replace(state, model="", head=""))

    def selecting(self, narrowing: NarrowingQuery) -> Self:
        """The same head over other runs."""
        # zero-argument super() does not work in a slotted dataclass
        return replace(super(HeadQuery, self).selecting(narrowing.without("model")), model=self.model)


@dataclass(frozen=True, slots=True)
class Heads:
    """What is known of one model's heads: one entry per statistic, of the settings with the most runs; `others` are the
    settings left out, `models` all models of the scope. read, total: see `HeadStats`."""

    model: str
    models: tuple[str, ...]
    stats: dict[str, HeadMeans]
    others: tuple[HeadMeans, ...]
    labels: dict[tuple[int, int], list[HeadLabel]]
    read: int
    total: int

    @property
    def removal(self) -> HeadMeans | None:
        """What removing a head does, where it was measured."""
        return next((self.stats[name] for name in IMPORTANT if name in self.stats), None)

    def chosen(self, query: HeadState) -> HeadMeans:
        """The statistic of the link, the first there is when it was not measured."""
        return self.stats.get(query.stat) or next(iter(self.stats.values()))

    def looking(self, query: HeadsQuery) -> HeadMeans:
        """What makes a head look important: as the link says, else the first attribution there is, else attention."""
        known = [query.looks, *LOOKS, query.stat]
        return next((self.stats[name] for name in known if name in self.stats), self.chosen(query))


def read(store: RunReader, query: HeadState) -> Heads | None:
    """The heads of the chosen model, or of the one with the most runs; None when no run has any."""
    return next(by_model(store.head_stats(query.where())), None)


def read_models(store: RunReader, query: HeadsQuery) -> tuple[Heads, ...]:
    """The heads of every model of these runs, whichever is chosen; most runs first."""
    return (*by_model(store.head_stats(replace(query, model="").where())),)


def by_model(found: HeadStats) -> Iterator[Heads]:
    """The heads of every model, most runs first."""
    found = replace(found, means=tuple(item for item in found.means if _says(item)))
    models = tuple(dict.fromkeys(item.model for item in sorted(found.means, key=_runs)))
    return (_heads(model, found, models) for model in models)


def _heads(model: str, found: HeadStats, models: tuple[str, ...]) -> Heads:
    stats, others = _most([item for item in found.means if item.model == model])
    averages = {name: Average(item.n, item.mean, item.sd, item.skewness) for name, item in stats.items()}
    labels = head_labels(averages)
    return Heads(model, models, stats, others, labels, found.read, found.total)


def _says(item: HeadMeans) -> bool:
    """Whether any head has a value; of the missing mass, whether any is more than rounding."""
    return bool(item.n.any()) and (item.statistic != "missing_mass" or bool((item.largest > ROUNDING).any()))


def _runs(item: HeadMeans) -> tuple[int, str]:
    return -int(item.n.max()), item.model


def _most(found: Sequence[HeadMeans]) -> tuple[dict[str, HeadMeans], tuple[HeadMeans, ...]]:
    """Of every statistic the settings with the most runs, in the order of `HEAD_STATS`, then methods; and the rest."""
    first: dict[str, HeadMeans] = {}
    for item in sorted(found, key=lambda item: (*_runs(item), item.quantity, item.params)):
        first.setdefault(item.statistic, item)
    order = [*(name for name in HEAD_STATS if name in first), *sorted(first.keys() - set(HEAD_STATS))]
    kept = {id(item) for item in first.values()}
    return {name: first[name] for name in order}, tuple(item for item in found if id(item) not in kept)


def name_of(statistic: str) -> str:
    """The name people read."""
    if statistic in STATS:
        return STATS[statistic][0]
    method = statistic.removesuffix(ALONE)
    entry = method_entry(method)
    label = entry.label if entry else method.replace("_", " ")
    return f"{label}, each head alone" if statistic.endswith(ALONE) else label


def unit_of(statistic: str) -> str:
    """Its unit, "" for a share."""
    if statistic == "ov_copying":
        return ""
    return STATS[statistic][1] if statistic in STATS else "nats"


def meaning_of(statistic: str) -> str:
    """One sentence about it."""
    if statistic in STATS:
        return STATS[statistic][2]
    entry = method_entry(statistic.removesuffix(ALONE))
    return entry.summary if entry else "A method this version does not know."
