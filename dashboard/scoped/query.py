"""The part of a link that says which runs a page is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from headscope.dashboard import links
from headscope.dashboard.link_state import QueryState
from headscope.dashboard.pages import Page
from headscope.storage.rows import Condition, RunFilter

SCOPE = ("experiment", "model", "prompt_set")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeQuery(QueryState):
    """experiment, model, prompt_set: the runs; a page's own state adds to these. PAGE: whose state it is. SUBJECT: what
    runs need to have something for it (`RunReader.experiments_with`), "" for nothing in particular."""

    PAGE: ClassVar[Page]
    SUBJECT: ClassVar[str] = ""

    experiment: str = ""
    model: str = ""
    prompt_set: str = ""

    @property
    def chosen(self) -> bool:
        """Whether the link says which runs."""
        return bool(self.experiment)

    @classmethod
    def at(cls, path: str, search: str) -> Self | None:
        """The state of an address; None where it is another page's."""
        return cls.from_query(search) if path.rstrip("/") == cls.PAGE.path else None

    def where(self) -> RunFilter:
        """The store's filter."""
        return RunFilter(tuple(Condition(name, "eq", value) for name, value in self.scope().items()))

    def scope(self) -> dict[str, str]:
        """What is chosen, by name."""
        return {name: value for name in SCOPE if (value := getattr(self, name))}

    def link(self, **changes: Any) -> str:
        """The page's link with some keys changed."""
        return links.view(self.PAGE.path, replace(self, **changes))

    def runs(self, **more: str) -> str:
        """The Runs page with the succeeded runs behind a number."""
        return links.runs(**{"status": "succeeded", **self.scope(), **more})
