"""A page of all runs in the order of one column, on PostgreSQL: read from that column's index (migration 0019), so that
nothing is sorted however deep the page is. Texts too long for an index are few, sorted, and merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.storage.read.filters import Clause
from headscope.storage.rows import Sort
from headscope.storage.schema import runs

R = runs.c

INDEXED = (
    *("target_rank", "margin", "next_token_prob", "mean_surprisal", "n_tokens", "perplexity", "next_entropy"),
    *("target_logprob", "seconds", "status", "model", "experiment", "prompt_set", "text", "target", "next_token"),
    *("prompt_key", "foil", "pair_id", "group_name", "continuation", "error_kind"),
)
LONGEST = 500  # bytes of a text in the index of its column


def serves(connection: Connection, clauses: Sequence[Clause], sort: Sequence[Sort]) -> bool:
    """Whether an index has the page."""
    single = len(sort) == 1 and sort[0].column in INDEXED
    return single and not clauses and connection.dialect.name == "postgresql"


def without(connection: Connection, name: str) -> int:
    """How many runs have no value of this column."""
    key = R[name]
    if not key.nullable:
        return 0
    query = sa.select(sa.func.count()).select_from(runs).where(key.is_(None), *_indexed(key))
    return int(connection.execute(query).scalar_one())


def ids(connection: Connection, sort: Sort, numbers: tuple[int, int], start: int, limit: int) -> list[UUID]:
    """Of the runs in this order, those from `start` on. `numbers`: of the runs with a value and of those without, which
    come last in both directions."""
    key, (valued, empty) = R[sort.column], numbers
    arms = [[key.is_not(None), *_indexed(key)]]
    if _is_text(key):
        arms.append([_length(key) > _number(LONGEST)])
    found = _slice(connection, arms, sort, valued, range(start, min(start + limit, valued)))
    rest = range(max(start - valued, 0), min(start + limit - valued, empty))
    return found + _slice(connection, [[key.is_(None), *_indexed(key)]], sort, empty, rest)


def _slice(
    connection: Connection, arms: Sequence[Sequence[Clause]], sort: Sort, length: int, places: range
) -> list[UUID]:
    """These places of the `length` runs of all arms together, read from the nearer end."""
    if not places:
        return []
    backwards = length - places.stop < places.start
    skipped = length - places.stop if backwards else places.start
    query = _merged(arms, sort.column, sort.descending != backwards, skipped, len(places))
    found = list(connection.execute(query).scalars())
    return found[::-1] if backwards else found


def _merged(arms: Sequence[Sequence[Clause]], name: str, descending: bool, skipped: int, limit: int) -> sa.Select[Any]:
    """Each arm with an order and a limit of its own, without which PostgreSQL sorts what it could merge."""
    by, most = _collated(R[name]), skipped + limit
    parts = [
        sa.select(by.label("key"), R.id).where(*arm).order_by(*_directed(by, R.id, descending)).limit(most).subquery()
        for arm in arms
    ]
    every = sa.union_all(*(sa.select(part) for part in parts)).subquery()
    return sa.select(every.c.id).order_by(*_directed(every.c.key, every.c.id, descending)).offset(skipped).limit(limit)


def _directed(key: Any, run_id: Any, descending: bool) -> list[Any]:
    return [sa.desc(key), sa.desc(run_id)] if descending else [sa.asc(key), sa.asc(run_id)]


def _collated(key: sa.Column[Any]) -> sa.ColumnElement[Any]:
    return sa.collate(key, "C") if _is_text(key) else key


def _indexed(key: sa.Column[Any]) -> list[Clause]:
    return [_length(key) <= _number(LONGEST)] if _is_text(key) else []


def _is_text(key: sa.Column[Any]) -> bool:
    return isinstance(key.type, sa.String)


def _length(key: sa.Column[Any]) -> sa.ColumnElement[int]:
    """Written as in the index, without bound values, or PostgreSQL would not find it."""
    return sa.func.octet_length(sa.func.coalesce(key, sa.literal_column("''")))


def _number(value: int) -> sa.ColumnElement[int]:
    return sa.literal_column(str(value), sa.Integer())
