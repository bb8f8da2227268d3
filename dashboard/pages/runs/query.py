"""The state of the Runs page in its link, and the store's filter it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from headscope.analysis.errors import InputError
from headscope.analysis.types import RunStatus
from headscope.dashboard.link_state import Query, QueryState
from headscope.dashboard.pages.runs.columns import BY_FIELD
from headscope.dashboard.pages.runs.conditions import ColumnFilter, from_link, from_model, item_conditions, to_model
from headscope.storage.rows import Condition, RunFilter, Sort


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
MAX_SELECTED = 50


@dataclass(frozen=True, slots=True)
class RunsQuery(QueryState):
    """`q` searches; the facets each hold accepted values, or only "" for "has none"; `f` are column filters
    (`conditions.ColumnFilter.link`); `sort` are columns, `-` before one for descending; `sel` are selected run ids;
    `cols` the columns shown, none for those that say something by themselves."""

    q: str = ""
    status: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    experiment: tuple[str, ...] = ()
    prompt_set: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    error_kind: tuple[str, ...] = ()
    f: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    sel: tuple[str, ...] = ()
    cols: tuple[str, ...] = ()

    @classmethod
    def from_query(cls, query: str | Query) -> Self:
        """Read a link; filters, sorts and statuses that do not exist are left out and noted."""
        # zero-argument super() does not work in a slotted dataclass
        state = super(RunsQuery, cls).from_query(query)
        notes = list(state.notes)
        good: dict[str, Any] = {
            "f": tuple(text for text in state.f if _usable(text, notes)),
            "sort": tuple(text for text in state.sort if text.removeprefix("-") in BY_FIELD),
            "status": tuple(text for text in state.status if text in set(RunStatus)),
            "sel": tuple(dict.fromkeys(state.sel))[:MAX_SELECTED],
            "cols": tuple(text for text in state.cols if text in BY_FIELD),
        }
        for facet in FACETS:
            values = good.get(facet.key, getattr(state, facet.key))
            if "" in values and len(values) > 1:
                good[facet.key] = tuple(value for value in values if value)
                notes.append(f"“{facet.without}” cannot be asked for together with others and was left out.")
        for name in ("sort", "status", "cols"):
            notes += [f"{name} “{text}” does not exist and was left out." for text in getattr(state, name)
                      if text not in good[name]]  # fmt: skip
        return replace(state, **good, notes=tuple(notes))

    @property
    def filters(self) -> tuple[ColumnFilter, ...]:
        """The column filters."""
        return tuple(from_link(text) for text in self.f)

    @property
    def is_filtered(self) -> bool:
        """Whether anything narrows the list."""
        return bool(self.q or self.f or any(getattr(self, facet.key) for facet in FACETS))

    def unfiltered(self) -> RunsQuery:
        """The same order, selection and columns, nothing narrowed."""
        return RunsQuery(sort=self.sort, sel=self.sel, cols=self.cols)

    def toggled(self, facet: Facet, value: str) -> RunsQuery:
        """With a facet value added, or removed when it is there. Values and "has none" exclude each other."""
        now: tuple[str, ...] = getattr(self, facet.key)
        left = tuple(v for v in now if v != value and bool(v) == bool(value))
        changes: Any = {facet.key: left if value in now else (*left, value)}
        return replace(self, **changes)

    def without(self, *keys: str) -> RunsQuery:
        """With these keys at their defaults."""
        changes: Any = {key: getattr(RunsQuery(), key) for key in keys}
        return replace(self, **changes)

    def without_filter(self, link: str) -> RunsQuery:
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

    def order(self) -> tuple[Sort, ...]:
        """The store's sort."""
        return tuple(Sort(text.removeprefix("-"), text.startswith("-")) for text in self.sort)

    def grid_state(self) -> dict[str, Any]:
        """What the grid must show: AG Grid's filter model and sort model."""
        return {
            "filterModel": to_model(self.filters),
            "sortModel": [{"colId": s.column, "sort": "desc" if s.descending else "asc"} for s in self.order()],
        }

    def with_grid_state(self, state: Mapping[str, Any]) -> RunsQuery:
        """Take over what the grid shows. Raises InputError for a filter that cannot be used."""
        filters = from_model(state.get("filterModel") or {})
        sort = tuple(_sort_link(entry) for entry in state.get("sortModel") or [])
        cols = tuple(str(name) for name in state.get("columns") or () if name in BY_FIELD)
        return replace(self, f=tuple(item.link for item in filters), sort=sort, cols=cols)


def sort_of(model: Sequence[Mapping[str, Any]]) -> tuple[Sort, ...]:
    """AG Grid's sort model as the store's sort; unknown columns raise InputError."""
    return RunsQuery(sort=tuple(_sort_link(entry) for entry in model)).order()


def _sort_link(entry: Mapping[str, Any]) -> str:
    column = str(entry.get("colId"))
    if column not in BY_FIELD:
        raise InputError(f"there is no column {column!r}")
    return f"-{column}" if entry.get("sort") == "desc" else column


def _usable(text: str, notes: list[str]) -> bool:
    try:
        from_link(text)
    except InputError as error:
        notes.append(f"The filter “{text}” was left out: {error}.")
        return False
    return True
