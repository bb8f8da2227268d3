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

    def within(self) -> list[Clause]:
        """Clauses and bounds, on `runs`."""
        return [*self.clauses, *self.over(R.id)]


Having = Callable[[Span], Clause]
"""What the newest of a filter are sought among, of runs in a span."""


def span(connection: Connection, where: RunFilter, having: Having | None = None) -> Span:
    """The runs of a filter; of a filter for the newest, those that `having` is true of. Raises as `filters.clauses`."""
    found = _bounded(connection, filters.clauses(replace(where, newest=0)))
    if not where.newest:
        return found
    for among in (_back_to(connection, found, 2 * where.newest), found):
        held = _having(among, having)
        newest = _back_to(connection, held, where.newest)
        if newest is not held:
            return newest
    return held


def _having(found: Span, having: Having | None) -> Span:
    return found if having is None else replace(found, clauses=(*found.clauses, having(found)))


def _back_to(connection: Connection, found: Span, most: int) -> Span:
    """The newest `most` of them; themselves where there are no more."""
    newest = sa.select(R.created_at, R.id).where(*found.within()).order_by(*filters.order(()))
    oldest = connection.execute(newest.offset(most - 1).limit(1)).first()
    if oldest is None:
        return found
    moment, run_id = oldest
    later = sa.or_(R.created_at > moment, sa.and_(R.created_at == moment, R.id >= run_id))
    return _bounded(connection, [*found.clauses, later])


def _bounded(connection: Connection, clauses: Sequence[Clause]) -> Span:
    if not clauses:
        return Span()
    ends = connection.execute(sa.select(LeastId(R.id), LargestId(R.id)).where(*clauses)).one()
    return Span(tuple(clauses), None if ends[0] is None else (ends[0], ends[1]))
