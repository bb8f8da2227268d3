"""Pages over an experiment or over any selection of runs: what the Runs page can narrow by, in its keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from headscope.dashboard import links
from headscope.dashboard.link_state import Query, parse_query
from headscope.dashboard.narrowing.query import NarrowingQuery
from headscope.dashboard.scoped.query import SCOPE, ScopeQuery
from headscope.storage.rows import RunFilter

EVERY_RUN = NarrowingQuery()


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedQuery(ScopeQuery):
    """narrowed: what else narrows the runs than one experiment, one model and one prompt set. A key of `SCOPE` that has
    several values in the link, or none of them (""), is in it."""

    narrowed: NarrowingQuery = EVERY_RUN

    @classmethod
    def from_query(cls, query: str | Query) -> Self:
        """Read a link; what of it is the Runs page's is read as there."""
        values = parse_query(query) if isinstance(query, str) else query
        theirs = {key: value for key, value in values.items() if key in links.NARROWING and not _one(key, value)}
        narrowed = NarrowingQuery.from_query(theirs)
        # zero-argument super() does not work in a slotted dataclass
        state = super(SelectedQuery, cls).from_query({key: values[key] for key in values.keys() - theirs.keys()})
        return replace(state, narrowed=replace(narrowed, notes=()), notes=(*state.notes, *narrowed.notes))

    @property
    def chosen(self) -> bool:
        """Whether the link says which runs."""
        return bool(self.scope()) or self.narrowed.is_filtered

    @property
    def beyond(self) -> bool:
        """Whether the runs are others than those of one experiment, or of a model and a prompt set in it."""
        return not self.experiment or self.narrowed.is_filtered

    def where(self) -> RunFilter:
        """The store's filter."""
        # zero-argument super() does not work in a slotted dataclass
        conditions, more = super(SelectedQuery, self).where().conditions, self.narrowed.where()
        return RunFilter((*conditions, *more.conditions), more.search)

    def selection(self) -> NarrowingQuery:
        """The runs as the Runs page names them."""
        one: dict[str, Any] = {name: (value,) for name, value in self.scope().items()}
        return replace(self.narrowed, **one)

    def selecting(self, narrowing: NarrowingQuery) -> Self:
        """This page over other runs."""
        values = {name: getattr(narrowing, name) for name in SCOPE}
        one: dict[str, Any] = {name: value[0] if len(value) == 1 else "" for name, value in values.items()}
        rest = narrowing.without(*(name for name, value in one.items() if value))
        return replace(self, narrowed=rest, **one)

    def changed(self, **changes: Any) -> Self:
        """With some keys changed; one value takes the place of several."""
        narrowed = changes.pop("narrowed", self.narrowed).without(*(name for name in SCOPE if name in changes))
        return replace(self, narrowed=narrowed, **changes)

    def link(self, **changes: Any) -> str:
        """The page's link with some keys changed."""
        return links.view(self.PAGE.path, self.changed(**changes))

    def runs(self, **more: str) -> str:
        """The Runs page with the runs behind a number: those that succeeded, unless the link says which."""
        narrowing = {name: value for name, value in self.selection().narrowing().items() if value}
        return links.runs(**{"status": "succeeded", **narrowing, **more})


def _one(key: str, value: Any) -> bool:
    """Whether this is a single value of what a page over an experiment has as well."""
    return key in SCOPE and (value if isinstance(value, str) else value[0] if len(value) == 1 else "") != ""
