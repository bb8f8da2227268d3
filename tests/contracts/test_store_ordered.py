"""Pages of sorted runs: each is a slice of the whole order, from whichever end and index it is read."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from headscope.dashboard.narrowing.columns import COLUMNS
from headscope.storage.read import filters, ordered
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter, Sort
from headscope.storage.schema import runs
from tests.databases import PostgresServer
from tests.factories import make_failure, make_prompt, make_result
from tests.filled_store import Filled, OnEachDatabase

LONG = "z" * 300 + "é" * 150
"""600 bytes of 450 characters: too long for the index of its column."""
TEXTS = ("b", "a", f"{LONG}b", f"a{LONG}", "Z", "é", f"{LONG}a", "b", "日本語", "", "c", LONG, "a")
EVERYTHING = Condition("seconds", "ge", 0)
"""Keeps all runs, and the page from being read from an index."""


def key_of(value: object) -> object:
    """As the databases sort texts: by their bytes."""
    return value.encode() if isinstance(value, str) else value


class TestOrdered(OnEachDatabase):
    @pytest.fixture(scope="module")
    def long_and_short(self, shared_store_url: str) -> Iterator[Filled]:
        """Thirteen runs; texts equal, short and too long for an index; in some a target, in some nothing measured."""
        with Store.open(shared_store_url) as store:
            filled, results = Filled(store), []
            for index, text in enumerate(TEXTS):
                target = TEXTS[-1 - index] or None if index % 3 else None
                prompt = make_prompt(
                    f"{text}{index % 5}", text or " ", target=target, foil=None, group=text[:1] or None
                )
                made = make_failure(prompt) if index % 4 == 3 else make_result(prompt, seed=index)
                results.append(dataclasses.replace(made, seconds=index % 4 / 8))
            filled.save(*results)
            yield filled

    @pytest.mark.parametrize("column", ordered.INDEXED)
    @pytest.mark.parametrize("descending", [False, True])
    def test_a_page_is_a_slice_of_the_whole_order(self, long_and_short: Filled, column: str, descending: bool) -> None:
        store, sort = long_and_short.store, (Sort(column, descending),)
        rows = store.runs_page(RunFilter()).rows
        valued = [row for row in rows if getattr(row, column) is not None]
        valued.sort(key=lambda row: (key_of(getattr(row, column)), row.id), reverse=descending)
        empty = sorted((row for row in rows if row not in valued), key=lambda row: row.id, reverse=descending)
        whole = [row.id for row in (*valued, *empty)]
        from_an_index = store.engine.dialect.name == "postgresql"
        for start in range(0, len(whole) + 1, 1 if from_an_index else 4):
            page = store.runs_page(RunFilter(), sort, start, 4)
            assert [row.id for row in page.rows] == whole[start : start + 4]
            assert page.total == len(whole)
        filtered = store.runs_page(RunFilter((EVERYTHING,)), sort, 0, 100)
        assert [row.id for row in filtered.rows] == whole


def test_postgresql_walks_an_index_and_sorts_nothing_but_long_texts(postgres_server: PostgresServer) -> None:
    asked: list[tuple[str, Any]] = []
    with postgres_server.new() as url, Store.open(url) as store, store.engine.connect() as connection:
        for name in ("seqscan", "bitmapscan", "sort"):  # of a few rows they cost less
            connection.exec_driver_sql(f"SET enable_{name} = off")
        sa.event.listen(
            connection, "before_cursor_execute", lambda _, __, sql, values, *___: asked.append((sql, values))
        )
        for column in ordered.INDEXED:
            numbers = (10, 3) if runs.c[column].nullable else (13, 0)
            for descending, start in ((False, 0), (True, 0), (False, 11), (True, 11)):
                asked.clear()
                ordered.ids(connection, Sort(column, descending), numbers, start, 2)
                ordered.without(connection, column)
                for sql, values in tuple(asked):
                    plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {sql}", values))
                    assert f"expr_runs_by_{column}" in plan
                    assert len(re.findall(r"\bSort  ", plan)) == plan.count("expr_runs_long_"), plan


def test_postgresql_walks_no_index_of_all_runs_until_it_has_met_a_page_of_some(postgres_server: PostgresServer) -> None:
    """Over a million runs that took 4 s where those asked for had no value of the column: they lie last in it."""
    with postgres_server.new() as url, Store.open(url) as store, store.engine.connect() as connection:
        for name in ("seqscan", "bitmapscan", "sort"):
            connection.exec_driver_sql(f"SET enable_{name} = off")
        for column in ordered.INDEXED:
            some = sa.select(runs.c.id).where(runs.c.facet_id == sa.literal_column("1"))
            page = some.order_by(*filters.order((Sort(column),))).limit(1)
            sql = str(page.compile(store.engine, compile_kwargs={"literal_binds": True}))
            plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {sql}"))
            assert "expr_runs_by_" not in plan
            assert " Sort  " in plan


def test_each_column_of_the_grid_has_an_index() -> None:
    assert {column.field for column in COLUMNS} == {*ordered.INDEXED, "created_at"}
