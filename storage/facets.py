"""Counts per value under the conditions on the other columns, for all facets from one pass over the runs.

The runs are grouped once by all facet columns together, under the conditions that are not about facets; every facet,
whatever is ticked, is then a sum over those few groups. Ticking a box costs no query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from storage import filters
from storage.rows import Condition, FacetCount, RunFilter
from storage.schema import runs

COLUMNS = ("model", "prompt_set", "experiment", "status", "error_kind", "tags")
MORE = ("group", "target")  # too many values to group by together: counted by a query each
CUBE_OPS = {"eq", "ne", "in", "is_null", "not_null"}


@dataclass(frozen=True, slots=True)
class Cube:
    """Groups of runs: `codes[column]` are indexes into `values[column]`, one per group; `n` is its number of runs."""

    values: dict[str, list[Any]]
    codes: dict[str, NDArray[np.int64]]
    n: NDArray[np.int64]

    def facet(self, name: str, conditions: Sequence[Condition], limit: int) -> tuple[FacetCount, ...]:
        """Counts of `name` under the conditions on the other columns, most frequent first."""
        chosen = np.ones(len(self.n), dtype=np.bool_)
        for condition in conditions:
            if condition.column != name:
                accepted = np.array(
                    [_holds(condition, value) for value in self.values[condition.column]], dtype=np.bool_
                )
                chosen &= accepted[self.codes[condition.column]]
        sums = np.bincount(self.codes[name][chosen], self.n[chosen], len(self.values[name])).astype(np.int64)
        counts: dict[Any, int] = {}
        for value, count in zip(self.values[name], sums.tolist(), strict=True):
            for element in value if isinstance(value, tuple) else (value,):
                counts[element] = counts.get(element, 0) + count
        found = [FacetCount(value, count) for value, count in counts.items() if count]
        return tuple(sorted(found, key=lambda item: (-item.count, item.value is None, item.value or ""))[:limit])


def split(where: RunFilter) -> tuple[RunFilter, tuple[Condition, ...]] | None:
    """The part of a filter for SQL and the conditions for the cube; None when the cube cannot serve them."""
    mine = tuple(condition for condition in where.conditions if condition.column in COLUMNS)
    if any(condition.op not in CUBE_OPS for condition in mine):
        return None
    filters.clauses(RunFilter(mine))  # refuses wrong values as the query would
    return RunFilter(tuple(c for c in where.conditions if c.column not in COLUMNS), where.search), mine


def cube(connection: Connection, clauses: Sequence[filters.Clause]) -> Cube:
    """One pass over the runs for which the clauses hold."""
    keys = [filters.column(name) for name in COLUMNS]
    rows = connection.execute(sa.select(*keys, sa.func.count()).where(*clauses).group_by(*keys)).all()
    columns = list(zip(*rows, strict=True)) or [()] * (len(COLUMNS) + 1)
    values: dict[str, list[Any]] = {}
    codes: dict[str, NDArray[np.int64]] = {}
    for name, column in zip(COLUMNS, columns, strict=False):
        items = [tuple(item) for item in column] if name == "tags" else column
        known = {value: index for index, value in enumerate(dict.fromkeys(items))}
        values[name] = list(known)
        codes[name] = np.fromiter((known[item] for item in items), dtype=np.int64, count=len(items))
    return Cube(values, codes, np.array(columns[-1], dtype=np.int64))


def count(connection: Connection, name: str, clauses: Sequence[filters.Clause], limit: int) -> tuple[FacetCount, ...]:
    """One facet by a query of its own."""
    key = filters.column(name)
    if isinstance(key.type, sa.ARRAY):
        elements = sa.select(sa.func.unnest(key).label("value")).select_from(runs).where(*clauses).subquery()
        query, value = sa.select(elements.c.value, sa.func.count()).group_by(elements.c.value), elements.c.value
    else:
        query, value = sa.select(key, sa.func.count()).where(*clauses).group_by(key), key
    rows = connection.execute(query.order_by(sa.func.count().desc(), value).limit(limit))
    return tuple(FacetCount(found, total) for found, total in rows)


def _holds(condition: Condition, value: Any) -> bool:
    """What `filters` says in SQL, for one group's value."""
    op, wanted = condition.op, condition.value
    if op in {"is_null", "not_null"}:
        empty = value is None or value == ()
        return empty if op == "is_null" else not empty
    accepted = {str(item) for item in wanted} if op == "in" else {str(wanted)}
    found = not accepted.isdisjoint(value) if isinstance(value, tuple) else value in accepted
    return not found if op == "ne" else found
