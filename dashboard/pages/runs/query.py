"""The state of the Runs page in its link, and the store's filter it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from headscope.analysis.errors import InputError
from headscope.dashboard.link_state import Query
from headscope.dashboard.narrowing.columns import BY_FIELD
from headscope.dashboard.narrowing.conditions import from_model, to_model
from headscope.dashboard.narrowing.query import NarrowingQuery, no_such
from headscope.storage.rows import Sort

MAX_SELECTED = 50


@dataclass(frozen=True, slots=True)
class RunsQuery(NarrowingQuery):
    """`sort` are columns, `-` before one for descending; `sel` are selected run ids; `cols` the columns shown, none for
    those that say something by themselves."""

    sort: tuple[str, ...] = ()
    sel: tuple[str, ...] = ()
    cols: tuple[str, ...] = ()

    @classmethod
    def from_query(cls, query: str | Query) -> Self:
        """Read a link; filters, sorts and statuses that do not exist are left out and noted."""
        # zero-argument super() does not work in a slotted dataclass
        state = super(RunsQuery, cls).from_query(query)
        good: dict[str, Any] = {
            "sort": tuple(text for text in state.sort if text.removeprefix("-") in BY_FIELD),
            "cols": tuple(text for text in state.cols if text in BY_FIELD),
        }
        notes = [no_such(name, text) for name, kept in good.items() for text in getattr(state, name)
                 if text not in kept]  # fmt: skip
        good["sel"] = tuple(dict.fromkeys(state.sel))[:MAX_SELECTED]
        return replace(state, **good, notes=(*state.notes, *notes))

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
