"""The part of a link that narrows the list of runs, and the store's filter it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from headscope.analysis.errors import InputError
from headscope.analysis.types import RunStatus
from headscope.dashboard.link_state import Query, QueryState
from headscope.dashboard.narrowing.conditions import ColumnFilter, from_link, item_conditions
from headscope.storage.rows import Condition, RunFilter


@dataclass(frozen=True, slots=True)
class Facet:
    """A facet of the panel: `key` in the link, `column` in the store."""

    key: str
    column: str
    label: str
    without: str


FACETS: tuple[Facet, ...] = (
    Facet("status", "status", "Status", "no status"),
    Facet("model", "model", "Model", "no model"),
    Facet("experiment", "experiment", "Experiment", "no experiment"),
    Facet("prompt_set", "prompt_set", "Prompt set", "no prompt set"),
    Facet("tag", "tags", "Tag", "no tag"),
    Facet("error_kind", "error_kind", "Error", "no error"),
)


@dataclass(frozen=True, slots=True)
class NarrowingQuery(QueryState):
    """`q` searches; the facets each hold accepted values, or only "" for "has none"; `f` are column filters
    (`conditions.ColumnFilter.link`). A page's own state adds to these."""

    q: str = ""
    status: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    experiment: tuple[str, ...] = ()
    prompt_set: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    error_kind: tuple[str, ...] = ()
    f: tuple[str, ...] = ()

    @classmethod
    def from_query(cls, query: str | Query) -> Self:
        """Read a link; filters and statuses that do not exist are left out and noted."""
        # zero-argument super() does not work in a slotted dataclass
        state = super(NarrowingQuery, cls).from_query(query)
        notes = list(state.notes)
        good: dict[str, Any] = {
            "f": tuple(text for text in state.f if _usable(text, notes)),
            "status": tuple(text for text in state.status if text in set(RunStatus)),
        }
        for facet in FACETS:
            values = good.get(facet.key, getattr(state, facet.key))
            if "" in values and len(values) > 1:
                good[facet.key] = tuple(value for value in values if value)
                notes.append(f"“{facet.without}” cannot be asked for together with others and was left out.")
        notes += [no_such("status", text) for text in state.status if text not in good["status"]]
        return replace(state, **good, notes=tuple(notes))

    @property
    def filters(self) -> tuple[ColumnFilter, ...]:
        """The column filters."""
        return tuple(from_link(text) for text in self.f)

    @property
    def is_filtered(self) -> bool:
        """Whether anything narrows the list."""
        return bool(self.q or self.f or any(getattr(self, facet.key) for facet in FACETS))

    def toggled(self, facet: Facet, value: str) -> Self:
        """With a facet value added, or removed when it is there. Values and "has none" exclude each other."""
        now: tuple[str, ...] = getattr(self, facet.key)
        left = tuple(v for v in now if v != value and bool(v) == bool(value))
        changes: Any = {facet.key: left if value in now else (*left, value)}
        return replace(self, **changes)

    def without(self, *keys: str) -> Self:
        """With these keys at their defaults."""
        changes: Any = {key: getattr(type(self)(), key) for key in keys}
        return replace(self, **changes)

    def without_filter(self, link: str) -> Self:
        """Without one column filter."""
        return replace(self, f=tuple(text for text in self.f if text != link))

    def where(self, filters: Sequence[ColumnFilter] | None = None) -> RunFilter:
        """The store's filter; `filters` stand in for those of the link (the grid knows its own first)."""
        conditions = [self._facet_condition(facet) for facet in FACETS if getattr(self, facet.key)]
        for item in self.filters if filters is None else filters:
            conditions += item_conditions(item)
        return RunFilter(tuple(conditions), self.q.strip())

    def _facet_condition(self, facet: Facet) -> Condition:
        values: tuple[str, ...] = getattr(self, facet.key)
        return Condition(facet.column, "is_null") if values == ("",) else Condition(facet.column, "in", values)

    def unfiltered(self) -> Self:
        """The rest of the state, nothing narrowed."""
        return self.without("q", "f", *(facet.key for facet in FACETS))

    def narrowing(self) -> dict[str, Any]:
        """What narrows, for the link of another page."""
        return {name: getattr(self, name) for name in ("q", *(facet.key for facet in FACETS), "f")}


def no_such(name: str, text: str) -> str:
    """Said of a value in a link that there is not."""
    return f"{name} “{text}” does not exist and was left out."


def _usable(text: str, notes: list[str]) -> bool:
    try:
        from_link(text)
    except InputError as error:
        notes.append(f"The filter “{text}” was left out: {error}.")
        return False
    return True
