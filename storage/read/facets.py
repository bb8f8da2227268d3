"""Counts per value under the conditions on the other columns, for all facets from one pass over the runs.

The runs are counted once per row of `run_facets`, under the conditions that are not about facets; every facet, whatever
is ticked, is then a sum over those few rows. Ticking a box scans nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from headscope.storage.read import filters
from headscope.storage.rows import FacetCount, RunFilter
from headscope.storage.schema import run_facets, runs

MORE = ("group_name", "target")  # not in `run_facets`, because they have many values: counted by a query each


@dataclass(frozen=True, slots=True)
class Groups:
    """Runs per row of `run_facets`: `ids`, `n` and `last` (when the newest was made) of equal length; `codes[name]` are
    indexes into `values[name]`."""

    ids: NDArray[np.int64]
    n: NDArray[np.int64]
    last: NDArray[np.datetime64]
    values: dict[str, list[Any]]
    codes: dict[str, NDArray[np.int64]]

    def having(self, name: str, value: Any) -> NDArray[np.bool_]:
        """The groups with a value of a facet."""
        known = self.values[name]
        has: NDArray[np.bool_] = self.codes[name] == (known.index(value) if value in known else -1)
        return has

    def total(self, chosen: NDArray[np.bool_] | None) -> int:
        """Runs in the chosen groups."""
        return int((self.n if chosen is None else self.n[chosen]).sum())

    def facet(self, name: str, chosen: NDArray[np.bool_] | None, limit: int) -> tuple[FacetCount, ...]:
        """Counts of `name` over the chosen groups, most frequent first."""
        codes, n = (self.codes[name], self.n) if chosen is None else (self.codes[name][chosen], self.n[chosen])
        sums = np.bincount(codes, n, len(self.values[name])).astype(np.int64)
        counts: dict[Any, int] = {}
        for value, count in zip(self.values[name], sums.tolist(), strict=True):
            for element in value if isinstance(value, tuple) else (value,):
                counts[element] = counts.get(element, 0) + count
        found = [FacetCount(value, count) for value, count in counts.items() if count]
        return tuple(sorted(found, key=lambda item: (-item.count, item.value is None, item.value or ""))[:limit])


def unticked(where: RunFilter) -> RunFilter:
    """The filter without its conditions on facets."""
    return replace(where, conditions=tuple(c for c in where.conditions if c.column not in filters.FACETS))


def groups(connection: Connection, where: RunFilter) -> Groups:
    """One pass over the runs of `where`."""
    counted = (
        sa.select(runs.c.facet_id, sa.func.count().label("n"), sa.func.max(runs.c.created_at).label("last"))
        .where(*filters.clauses(where))
        .group_by(runs.c.facet_id)
        .subquery()
    )
    keys = [run_facets.c[name] for name in filters.FACETS]
    query = sa.select(*counted.c, *keys).join(run_facets, run_facets.c.id == counted.c.facet_id)
    columns = list(zip(*connection.execute(query), strict=True)) or [()] * (3 + len(keys))
    values: dict[str, list[Any]] = {}
    codes: dict[str, NDArray[np.int64]] = {}
    for name, column in zip(filters.FACETS, columns[3:], strict=True):
        items = [tuple(item) for item in column] if name == "tags" else column
        known = {value: index for index, value in enumerate(dict.fromkeys(items))}
        values[name] = list(known)
        codes[name] = np.fromiter((known[item] for item in items), dtype=np.int64, count=len(items))
    ids, n = (np.array(column, dtype=np.int64) for column in columns[:2])
    return Groups(ids, n, np.array(columns[2], dtype="datetime64[us]"), values, codes)


def chosen(connection: Connection, found: Groups, where: RunFilter, name: str) -> NDArray[np.bool_] | None:
    """Which groups satisfy the conditions on facets other than `name`; None for all of them."""
    clauses = filters.facet_clauses(where, but=name)
    if not clauses:
        return None
    return np.isin(found.ids, np.array(list(connection.execute(sa.select(run_facets.c.id).where(*clauses)).scalars())))


def count(connection: Connection, name: str, clauses: Sequence[filters.Clause], limit: int) -> tuple[FacetCount, ...]:
    """One facet by a query of its own."""
    key = filters.column(name)
    query = sa.select(key, sa.func.count()).where(*clauses).group_by(key)
    rows = connection.execute(query.order_by(sa.func.count().desc(), key).limit(limit))
    return tuple(FacetCount(found, total) for found, total in rows)
