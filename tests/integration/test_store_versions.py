"""The schema's versions: up, down and up again, who may open what, and many at once."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from headscope.analysis.errors import StorageError
from headscope.storage.read import filters
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter
from headscope.storage.schema import runs, versions
from tests.at_once import at_once
from tests.databases import PostgresServer
from tests.integration.store_tables import execute, make_folder, names

pytestmark = pytest.mark.makes_stores


def test_a_new_store_gets_its_tables_and_they_are_the_schemas(empty_url: str) -> None:
    Store.open(empty_url).close()
    assert versions.current(empty_url) == versions.head()
    versions.differences(empty_url)
    assert {"runs", "v_runs"} <= names(empty_url)


def test_differences_are_found(empty_url: str) -> None:
    Store.open(empty_url).close()
    execute(empty_url, "ALTER TABLE annotations ADD COLUMN surplus INTEGER")
    with pytest.raises(Exception, match="surplus"):
        versions.differences(empty_url)


def test_up_down_up(store_url: str) -> None:
    versions.downgrade(store_url, "base")
    assert versions.current(store_url) is None
    assert names(store_url) == {"alembic_version"}
    assert versions.upgrade(store_url) == (None, versions.head())
    assert versions.upgrade(store_url) == (versions.head(), versions.head())
    versions.differences(store_url)
    with Store.open(store_url) as store:
        assert store.check() == []


def test_a_newer_store_is_refused_and_left_alone(store_url: str) -> None:
    execute(store_url, "UPDATE alembic_version SET version_num = '9999'")
    for refused in (lambda: Store.open(store_url), lambda: versions.upgrade(store_url)):
        with pytest.raises(StorageError, match=r"newer Headscope.*9999"):
            refused()
    assert versions.current(store_url) == "9999"


def test_an_older_store_says_what_to_do(empty_url: str) -> None:
    make_folder(empty_url)
    versions.upgrade(empty_url, "0001")
    with pytest.raises(StorageError, match=r"schema version 0001 .*headscope db upgrade"):
        Store.open(empty_url)
    assert "attribution_receipts" not in names(empty_url)


def test_somebody_elses_database_is_left_alone(empty_url: str) -> None:
    make_folder(empty_url)
    execute(empty_url, "CREATE TABLE invoices (id INTEGER)")
    with pytest.raises(StorageError, match="not Headscope's"):
        Store.open(empty_url)
    assert names(empty_url) == {"invoices"}


def test_a_failed_upgrade_leaves_nothing(empty_url: str) -> None:
    make_folder(empty_url)
    execute(empty_url, "CREATE TABLE v_heads (id INTEGER)")
    with pytest.raises(StorageError, match="v_heads"):
        versions.upgrade(empty_url)
    assert names(empty_url) - {"alembic_version"} == {"v_heads"}
    assert versions.current(empty_url) is None


def test_many_upgrade_one_postgresql_at_once(postgres_server: PostgresServer) -> None:
    with postgres_server.new(empty=True) as url:
        at_once(lambda address: Store.open(address).close(), [url] * 6)
        assert versions.current(url) == versions.head()
        versions.differences(url)


def test_postgresql_finds_a_part_of_the_prompts_by_its_index(postgres_server: PostgresServer) -> None:
    query = sa.select(runs.c.id).where(*filters.clauses(RunFilter(parts=40)))
    with postgres_server.new() as url, Store.open(url) as store, store.engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")  # few runs are read faster without any
        written = query.compile(dialect=store.engine.dialect, compile_kwargs={"literal_binds": True})
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {written}").scalars())
    assert "Index Cond: (substr(md5(" in plan
    assert "expr_runs_part" in plan
