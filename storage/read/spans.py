"""Which runs a filter means, and between which ids they lie. Ids grow with time and rows lie in their order: what was
measured in the runs of one experiment is read without what was measured before it and after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.storage.read import filters
from headscope.storage.read.filters import Clause
from headscope.storage.rows import RunFilter
from headscope.storage.schema import runs
from headscope.storage.sql.expressions import LargestId, LeastId

R = runs.c


@dataclass(frozen=True, slots=True)
class Span:
    """Runs as clauses on `runs`, and the ids that they lie between; None where nothing bounds them."""

    clauses: tuple[Clause, ...] = ()
    ends: tuple[UUID, UUID] | None = None

    def over(self, column: sa.ColumnElement[Any]) -> list[Clause]:
        """The bounds, on a column of run ids. Always true of these runs: the database reads less, that is all."""
        return [] if self.ends is None else [column.between(*self.ends)]


Having = Callable[[Span], Clause]
"""What is true of the runs of a span that count as one of the newest."""


def span(connection: Connection, where: RunFilter, having: Having | None = None) -> Span:
    """The runs of a filter; of a filter for the newest, back to the one with which so many have `having`: those between
    that do not have it are of the span too. Raises as `filters.clauses`."""
    clauses = filters.clauses(replace(where, newest=0))
    if not where.newest:
        found = _bounded(connection, clauses)
        return replace(found, clauses=(*clauses, *found.over(R.id)))
    every = Span(tuple(clauses))
    near = _back_to(connection, every, 2 * where.newest)  # `having` is looked up of these only, if they are enough
    for among in (_bounded(connection, near.clauses), every):
        newest = _back_to(connection, among, where.newest, *([having(among)] if having else []))
        if newest is not among:
            return replace(newest, clauses=(*clauses, newest.clauses[-1]))  # later than those near, which says it all
    return every


def _back_to(connection: Connection, found: Span, most: int, *having: Clause) -> Span:
    """Back to the newest `most` of them; themselves where there are no more."""
    newest = sa.select(R.created_at, R.id).where(*found.clauses, *having).order_by(*filters.order(()))
    oldest = connection.execute(newest.offset(most - 1).limit(1)).first()
    if oldest is None:
        return found
    moment, run_id = oldest
    later = sa.or_(R.created_at > moment, sa.and_(R.created_at == moment, R.id >= run_id))
    return replace(found, clauses=(*found.clauses, later))


def _bounded(connection: Connection, clauses: Sequence[Clause]) -> Span:
    if not clauses:
        return Span()
    ends: tuple[Any, ...] = connection.execute(sa.select(LeastId(R.id), LargestId(R.id)).where(*clauses)).one()
    return Span(tuple(clauses), None if ends[0] is None else (ends[0], ends[1]))
