"""Which runs, in which order, and how many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headscope.storage.rows.runs import RunRow

PARTS = 4096
"""Into which prompts, and runs, are divided, see `RunFilter`."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One column condition. `op` is one of eq, ne, lt, le, gt, ge, between, contains, not_contains, starts_with,
    ends_with, in, is_null, not_null; `value` fits the operator (a pair for between, a tuple for in, None for nulls).
    """

    column: str
    op: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs: every condition must hold. `search` is looked for in text, target, error and prompt key. newest: only
    so many of them, the newest (what compares methods counts those that have attributions); 0 for all. parts: only the
    prompts in so many of `PARTS` parts, drawn by a hash of set and prompt, every run of them and pairs whole; 0 for
    all. sample: the same of single runs, drawn by the end of their ids, which is random. Facets are of all."""

    conditions: tuple[Condition, ...] = ()
    search: str = ""
    newest: int = 0
    parts: int = 0
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Sort:
    """A column and its direction; ties are always broken by run id."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class RunsPage:
    """Rows `[offset, offset + limit)` of `total`."""

    rows: tuple[RunRow, ...]
    total: int


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How many runs have this value under all the other conditions; `value` None counts the runs without one."""

    value: str | None
    count: int
