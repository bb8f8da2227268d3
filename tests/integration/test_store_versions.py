"""The schema's versions: up, down and up again, who may open what, and many at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from databases import PostgresServer

from analysis.errors import StorageError
from migrations import api
from storage import session
from storage.repository import Store


@pytest.fixture(params=["duckdb", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """A database without tables."""
    if request.param == "duckdb":
        yield str(tmp_path / "new folder" / "empty.duckdb")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.new(empty=True) as url:
        yield url


def execute(url: str, *statements: str) -> None:
    engine = session.open_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def names(url: str) -> set[str]:
    engine = session.open_engine(url)
    inspector = sa.inspect(engine)
    found = {*inspector.get_table_names(), *inspector.get_view_names()}
    engine.dispose()
    return found


def test_a_new_store_gets_its_tables_and_they_are_the_schemas(empty_url: str) -> None:
    Store.open(empty_url).close()
    assert api.current(empty_url) == api.head()
    api.differences(empty_url)
    assert {"runs", "v_runs"} <= names(empty_url)


def test_differences_are_found(empty_url: str) -> None:
    Store.open(empty_url).close()
    execute(empty_url, "ALTER TABLE annotations ADD COLUMN surplus INTEGER")
    with pytest.raises(Exception, match="surplus"):
        api.differences(empty_url)


def test_up_down_up(store_url: str) -> None:
    api.downgrade(store_url, "base")
    assert api.current(store_url) is None
    assert names(store_url) == {"alembic_version"}
    assert api.upgrade(store_url) == (None, api.head())
    assert api.upgrade(store_url) == (api.head(), api.head())
    api.differences(store_url)
    with Store.open(store_url) as store:
        assert store.check() == []


def test_a_newer_store_is_refused_and_left_alone(store_url: str) -> None:
    execute(store_url, "UPDATE alembic_version SET version_num = '9999'")
    for refused in (lambda: Store.open(store_url), lambda: api.upgrade(store_url)):
        with pytest.raises(StorageError, match=r"newer Headscope.*9999"):
            refused()
    assert api.current(store_url) == "9999"


def test_an_older_store_says_what_to_do(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "head", lambda: "0002")
    with pytest.raises(StorageError, match="headscope db upgrade"):
        Store.open(store_url)


def test_somebody_elses_database_is_left_alone(empty_url: str) -> None:
    path = session.database_path(empty_url)
    if path is not None:
        path.parent.mkdir()
    execute(empty_url, "CREATE TABLE invoices (id INTEGER)")
    with pytest.raises(StorageError, match="not Headscope's"):
        Store.open(empty_url)
    assert names(empty_url) == {"invoices"}


def test_a_failed_upgrade_leaves_nothing(empty_url: str) -> None:
    path = session.database_path(empty_url)
    if path is not None:
        path.parent.mkdir()
    execute(empty_url, "CREATE TABLE v_heads (id INTEGER)")
    with pytest.raises(StorageError, match="v_heads"):
        api.upgrade(empty_url)
    assert names(empty_url) - {"alembic_version"} == {"v_heads"}
    assert api.current(empty_url) is None


def test_many_upgrade_one_postgresql_at_once(postgres_server: PostgresServer) -> None:
    errors: list[BaseException] = []

    def open_it(url: str) -> None:
        try:
            Store.open(url).close()
        except BaseException as error:
            errors.append(error)

    with postgres_server.new(empty=True) as url:
        threads = [threading.Thread(target=open_it, args=(url,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert errors == []
        assert api.current(url) == api.head()
        api.differences(url)
