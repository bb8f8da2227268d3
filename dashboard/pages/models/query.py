"""The state of the Models page in its link, and what is read from the store for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from headscope.dashboard import links
from headscope.dashboard.link_state import choice, number
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.query import ScopeQuery
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, FacetCount, RunFilter
from headscope.storage.rows.filters import PARTS
from headscope.storage.rows.models import FLIPS, Sides

LISTED = 25
"""Flips on one page of the list."""
MOST, DRAWN = 50_000, 8_000
"""Of more runs of both models than `MOST` about `DRAWN` are compared while somebody waits."""
FACETS = ("model", "experiment", "prompt_set", "tags")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsQuery(ScopeQuery):
    """model, beside_model: the first and the second model; where one is not said, those with most runs. experiment: of
    both, "" for any; beside_experiment: of the second, where it is another one. tag: only prompts with it. which, page:
    the list of flips."""

    PAGE: ClassVar[Page] = Page("models", links.MODELS, "Models", "arrow-left-right", 17, shortcut="v")

    beside_model: str = ""
    beside_experiment: str = ""
    tag: str = ""
    which: str = choice(*FLIPS)
    page: int = number(0, low=0)

    def sides(self) -> Sides:
        """What the store compares."""
        where = {"prompt_set": self.prompt_set, "tags": self.tag}
        conditions = tuple(Condition(column, "eq", value) for column, value in where.items() if value)
        second = self.beside_experiment or self.experiment
        return Sides(self.model, self.beside_model, self.experiment, second, RunFilter(conditions))

    @property
    def names(self) -> tuple[str, str]:
        """What both are called: the model, with the experiment where the other's is another one."""
        sides = self.sides()
        if sides.first_experiment == sides.second_experiment:
            return self.model, self.beside_model
        first, second = (f" in {name}" if name else "" for name in (sides.first_experiment, sides.second_experiment))
        return self.model + first, self.beside_model + second

    @property
    def same(self) -> bool:
        """Whether both are the same runs."""
        sides = self.sides()
        return (sides.first, sides.first_experiment) == (sides.second, sides.second_experiment)

    def swapped(self) -> ModelsQuery:
        """The other way round."""
        sides = self.sides()
        apart = sides.first_experiment if sides.first_experiment != sides.second_experiment else ""
        return replace(self, model=self.beside_model, beside_model=self.model, experiment=sides.second_experiment,
                       beside_experiment=apart, page=0)  # fmt: skip


def compared(store: RunReader, query: ModelsQuery) -> Sides:
    """What the page compares: of more runs than `MOST` about `DRAWN`, those of a part of the prompts, the same on
    both models."""
    sides = query.sides()
    if (total := _runs(store, sides)) <= MOST:
        return sides
    return replace(sides, where=replace(sides.where, parts=max(1, PARTS * DRAWN // total)))


def sample_said(store: RunReader, query: ModelsQuery) -> str:
    """A sentence where not all prompts are compared, else ""."""
    parts = compared(store, query).where.parts
    if not parts:
        return ""
    return (
        f"Of {_runs(store, query.sides()):,} runs those of {100 * parts / PARTS:.2g} % of the prompts are compared, "
        "drawn by a hash of the prompt, pairs whole: the same ones every time."
    )


def _runs(store: RunReader, sides: Sides) -> int:
    """How many both sides have together: summed up from what the menus count anyway."""
    of = {"model": {sides.first, sides.second}, "experiment": {sides.first_experiment, sides.second_experiment} - {""}}
    more = [Condition(column, "in", tuple(sorted(values))) for column, values in of.items() if values]
    found = store.facets(RunFilter((*sides.where.conditions, *more)), ("status",))
    return sum(item.count for item in found["status"])


Facets = Mapping[str, Sequence[FacetCount]]


def facets_of(store: RunReader, query: ModelsQuery) -> Facets:
    """Succeeded runs by model, experiment, prompt set and tag; those of the experiment, where one is chosen."""
    conditions = [Condition("status", "eq", "succeeded")]
    if query.experiment and not query.beside_experiment:
        conditions.append(Condition("experiment", "eq", query.experiment))
    return store.facets(RunFilter(tuple(conditions)), FACETS)


def resolved(query: ModelsQuery, facets: Facets) -> ModelsQuery:
    """With the models of most runs where the link names none."""
    named = [query.model, query.beside_model]
    known = [item.value for item in facets["model"] if item.value]
    free = iter([name for name in known if name not in named])
    first = query.model or next(free, "")
    return replace(query, model=first, beside_model=query.beside_model or next(free, ""))
