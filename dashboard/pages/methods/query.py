"""The state of the Methods page in its link, the runs it stands for, and links to what is behind a number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from headscope.analysis.registry import method_entry
from headscope.dashboard import links
from headscope.dashboard.link_state import choice, number
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.selection import SelectedQuery
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import RunFilter

MEASURES = {"tau": "Kendall’s τ", "overlap": "Top-k overlap", "signs": "Sign agreement"}
TOPS = (1, 3, 5, 10)
MOST = 10_000
"""Runs that are counted of a selection beyond one experiment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodsQuery(SelectedQuery):
    """View state of /methods.

    by: one row per method, or per method and prompt set. measure: what the
    matrix shows; k: how many tokens are the top; hide: methods left out of matrix and disputes; pair: two methods,
    "a,b", whose disputes are listed instead of all methods'. method: whose receipts are listed. unconverged: results
    that did not converge count as well.
    """

    PAGE: ClassVar[Page] = Page("methods", links.METHODS, "Methods", "rulers", 25, shortcut="m")
    SUBJECT: ClassVar[str] = "attributions"

    by: str = choice("method", "set")
    measure: str = choice("tau", "overlap", "signs")
    k: int = number(3, low=1, high=50)
    hide: tuple[str, ...] = ()
    pair: str = ""
    method: str = ""
    unconverged: bool = False

    @property
    def two(self) -> tuple[str, str] | None:
        """The two methods of `pair`."""
        first, comma, second = self.pair.partition(",")
        return (first, second) if comma and first and second and first != second else None


def counted(store: RunReader, query: MethodsQuery) -> RunFilter:
    """The runs that numbers are over; of more than `MOST` beyond one experiment the newest that have attributions."""
    where = query.where()
    many = query.beyond and store.count(where) > MOST
    return replace(where, newest=MOST) if many else where


def newest_said(store: RunReader, query: MethodsQuery) -> str:
    """A sentence where there are too many runs to count them all while somebody waits, else ""."""
    newest = counted(store, query).newest
    if not newest:
        return ""
    total = store.count(query.where())
    return f"Of {total:,} runs only the newest {newest:,} that have attributions are counted."


def ids_sql(store: RunReader, query: MethodsQuery) -> str:
    """The statement that finds them, "" where the page's own statements can name them."""
    where = counted(store, query)
    return store.ids_sql(where) if query.narrowed.is_filtered or where.newest else ""


def runs_of(query: MethodsQuery, prompt_set: str | None = None) -> str:
    """The Runs page with the succeeded runs behind a number."""
    return query.runs(**({"prompt_set": prompt_set} if prompt_set else {}))


def label(method: str) -> str:
    """The name people read."""
    entry = method_entry(method)
    return entry.label if entry else method.replace("_", " ")


def over_heads(method: str) -> bool:
    """Whether its receipts remove heads, not tokens: their gains are another quantity."""
    entry = method_entry(method)
    return entry is not None and entry.axes[-1] in ("head", "component")


def summary(method: str) -> str:
    """One sentence about the method."""
    entry = method_entry(method)
    return entry.summary if entry else "A method this version does not know."
