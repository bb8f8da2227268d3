"""Which runs a filter means, and between which ids they lie. Ids grow with time and rows lie in their order: what was
measured in the runs of one experiment is read without what was measured before it and after it, and, where it was
continued later, in between."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.storage.read import filters
from headscope.storage.read.counts import Counts
from headscope.storage.read.filters import Clause
from headscope.storage.rows import RunFilter
from headscope.storage.schema import runs
from headscope.storage.sql.expressions import LargestId, LeastId

R = runs.c


PIECES, APART = 4, 0.05
"""A span is cut where none of its runs was made for this share of its time, into no more pieces."""
MOST = 50_000
"""Of more runs only the ends are looked for: putting them in order takes longer than it saves."""


@dataclass(frozen=True, slots=True)
class Span:
    """Runs as clauses on `runs`, and the ids that they lie between, piece by piece; none where nothing bounds them."""

    clauses: tuple[Clause, ...] = ()
    ends: tuple[tuple[UUID, UUID], ...] = ()

    def over(self, column: sa.ColumnElement[Any]) -> list[Clause]:
        """The bounds, on a column of run ids. Always true of these runs: the database reads less, that is all."""
        return [sa.or_(*(column.between(*ends) for ends in self.ends))] if self.ends else []


Having = Callable[[Span], Clause]
"""What is true of the runs of a span that count as one of the newest."""


def span(connection: Connection, where: RunFilter, having: Having | None = None) -> Span:
    """The runs of a filter; of a filter for the newest, back to the one with which so many have `having`: those between
    that do not have it are of the span too. Raises as `filters.clauses`."""
    clauses = filters.clauses(replace(where, newest=0))
    if not where.newest:
        found = _in_pieces(connection, clauses)
        return replace(found, clauses=(*clauses, *found.over(R.id)))
    every = Span(tuple(clauses))
    near = _back_to(connection, every, 2 * where.newest)  # `having` is looked up of these only, if they are enough
    for among in (_bounded(connection, near.clauses), every):
        newest = _back_to(connection, among, where.newest, *([having(among)] if having else []))
        if newest is not among:
            return replace(newest, clauses=(*clauses, newest.clauses[-1]))  # later than those near, which says it all
    return every


def kept(
    connection: Connection, kept_in: Counts, version: Hashable, where: RunFilter, having: Having | None = None
) -> Span:
    """`span`, from memory if it is there. Without a number of newest runs it is one for all that ask, whatever they
    seek among the runs."""
    key = ("span", repr(where), having if where.newest else None)
    return kept_in.get(key, version, lambda: span(connection, where, having))


def _back_to(connection: Connection, found: Span, most: int, *having: Clause) -> Span:
    """Back to the newest `most` of them; themselves where there are no more."""
    newest = sa.select(R.created_at, R.id).where(*found.clauses, *having).order_by(*filters.order(()))
    oldest = connection.execute(newest.offset(most - 1).limit(1)).first()
    if oldest is None:
        return found
    moment, run_id = oldest
    later = sa.and_(R.created_at >= moment, sa.or_(R.created_at > moment, R.id >= run_id))  # the former by an index
    return replace(found, clauses=(*found.clauses, later))


def _bounded(connection: Connection, clauses: Sequence[Clause]) -> Span:
    ends: Any = connection.execute(sa.select(LeastId(R.id), LargestId(R.id)).where(*clauses)).one()
    return Span(tuple(clauses), () if ends[0] is None else ((ends[0], ends[1]),))


def _in_pieces(connection: Connection, clauses: Sequence[Clause]) -> Span:
    if not clauses:
        return Span()
    rows = connection.execute(_pauses(clauses)).all()
    if not rows or rows[0].n > MOST:
        return _bounded(connection, clauses)
    cuts = sorted((row.before, row.id) for row in rows if row.waited and row.waited > APART * row.lasted)
    starts, stops = [rows[0].first, *(after for _, after in cuts)], [*(before for before, _ in cuts), rows[0].last]
    return Span(tuple(clauses), tuple(zip(starts, stops, strict=True)))


def _pauses(clauses: Sequence[Clause]) -> sa.Select[Any]:
    """The longest times between a run (`before`) and the next (`id`), s, with the first run, the last, and how many."""
    moment: sa.Label[float] = sa.cast(sa.extract("epoch", R.created_at), sa.Double()).label("moment")
    mine = sa.select(R.id, moment).where(*clauses).limit(MOST + 1).subquery().c
    whole: dict[str, Any] = {"order_by": mine.id, "rows": (None, None)}
    last = sa.over(sa.func.last_value(mine.moment), **whole)
    steps = sa.select(
        mine.id,
        sa.over(sa.func.lag(mine.id), order_by=mine.id).label("before"),
        (mine.moment - sa.over(sa.func.lag(mine.moment), order_by=mine.id)).label("waited"),
        (last - sa.over(sa.func.first_value(mine.moment), **whole)).label("lasted"),
        sa.over(sa.func.first_value(mine.id), **whole).label("first"),
        sa.over(sa.func.last_value(mine.id), **whole).label("last"),
        sa.over(sa.func.count()).label("n"),
    ).subquery()
    return sa.select(steps).order_by(steps.c.waited.desc().nulls_last()).limit(PIECES - 1)
