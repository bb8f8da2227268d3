"""The runs of a filter and between which ids they lie, against the plain query for the newest."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

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

    def test_what_lies_between_two_parts_of_an_experiment_is_not_read(self, filled: Filled) -> None:
        """Saved with an hour between the parts, in which others were; both parts are found whole."""
        times = {"mine": (0, 3600), "others": (600, 1800, 3000)}
        for name, moments in times.items():
            for number, moment in enumerate(moments):
                save(filled.store, f"{name} {number}", results(2, seed=moment))
                with filled.store.engine.begin() as connection:
                    at(connection, f"{name} {number}", moment)
        mine = RunFilter((Condition("experiment", "in", ("mine 0", "mine 1")),))
        with session.reading(filled.store.engine) as connection:
            span = spans.span(connection, mine)
            ids = [
                sorted(connection.execute(sa.select(runs.c.id).where(runs.c.experiment == f"mine {number}")).scalars())
                for number in (0, 1)
            ]
            assert span.ends == tuple((part[0], part[-1]) for part in ids)
            inside = sa.select(attributions.c.run_id).distinct().where(*span.over(attributions.c.run_id))
            assert set(connection.execute(inside).scalars()) == {*ids[0], *ids[1]}
            one = spans.span(connection, RunFilter((Condition("experiment", "eq", "mine 0"),)))
            assert one.ends == ((ids[0][0], ids[0][-1]),)
            assert spans.span(connection, RunFilter((Condition("experiment", "eq", "none"),))).ends == ()


def at(connection: sa.Connection, experiment: str, moment: int) -> None:
    """Make the experiment's runs some seconds after the first day of a year, with ids of that time; of what was
    measured in them their attributions alone follow."""
    for run_id in connection.execute(sa.select(runs.c.id).where(runs.c.experiment == experiment)).scalars().all():
        new = UUID(int=((1_700_000_000_000 + 1000 * moment) << 80) | (run_id.int & ((1 << 80) - 1)))
        created = datetime(2026, 1, 1) + timedelta(seconds=moment)
        connection.execute(sa.update(attributions).where(attributions.c.run_id == run_id).values(run_id=new))
        connection.execute(sa.update(runs).where(runs.c.id == run_id).values(id=new, created_at=created))
