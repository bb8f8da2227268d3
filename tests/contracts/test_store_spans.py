"""The runs of a filter and between which ids they lie, against the plain query for the newest."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from headscope.storage import session
from headscope.storage.read import filters, spans
from headscope.storage.read.spans import Span
from headscope.storage.rows import Condition, RunFilter
from headscope.storage.schema import attributions, runs
from tests.filled_store import Filled, OnEachDatabase
from tests.method_runs import results, save

WITH, WITHOUT = "with attributions", "without"
ORDER = (WITHOUT, WITH, WITH, WITHOUT, WITH, WITHOUT, WITHOUT, WITHOUT)
"""Of experiments that are saved one after the other, two runs each."""


def attributed(span: Span) -> filters.Clause:
    theirs = attributions.alias().c
    return sa.exists().where(theirs.run_id == runs.c.id, *span.over(theirs.run_id))


class TestSpans(OnEachDatabase):
    def test_the_newest_are_those_of_the_plain_query(self, filled: Filled) -> None:
        for number, kind in enumerate(ORDER):
            made = results(2, seed=number)
            save(filled.store, f"{number} {kind}", [
                result if kind == WITH else replace(result, attributions=()) for result in made])  # fmt: skip
        some = (Condition("experiment", "in", tuple(f"{n} {kind}" for n, kind in enumerate(ORDER) if n != 2)),)
        with session.reading(filled.store.engine) as connection:
            for where in (RunFilter(), RunFilter(some), RunFilter(search="case1"), RunFilter(search="nowhere")):
                for newest in (0, 1, 2, 3, 4, 100):
                    asked = replace(where, newest=newest)
                    mine = attributed(Span())
                    plain = sa.select(runs.c.id).where(*filters.clauses(asked, mine), mine)
                    span = spans.span(connection, asked, attributed)
                    found = sa.select(runs.c.id).where(*span.clauses, *span.over(runs.c.id), attributed(span))
                    expected = set(connection.execute(plain).scalars())
                    assert set(connection.execute(found).scalars()) == expected, (asked, newest)
                    if span.ends:
                        inside = sa.select(attributions.c.run_id).where(*span.over(attributions.c.run_id))
                        assert expected <= set(connection.execute(inside).scalars())
