"""The guards of user SQL on a real PostgreSQL, as its superuser: the worst case, where no grant helps."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from headscope.analysis.errors import InputError, StorageError
from headscope.storage import session
from headscope.storage.sql import readonly
from tests.databases import PostgresServer
from tests.integration.readonly_contract import ReadOnlyContract


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer) -> Iterator[str]:
    with postgres_server.new(empty=True) as address:
        engine = session.open_engine(address)
        with engine.begin() as connection:
            columns = "i AS a, ARRAY[1.5, 'NaN']::real[] AS b, uuidv7() AS c, '{\"k\": 1}'::jsonb AS d"
            connection.exec_driver_sql(f"CREATE TABLE x AS SELECT {columns} FROM generate_series(0, 24999) i")
        engine.dispose()
        yield address


def count(url: str) -> int:
    return int(readonly.run(url, "SELECT count(*) AS n FROM x").table["n"][0].as_py())


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE x",
        "DELETE FROM x",
        "WITH gone AS (DELETE FROM x RETURNING a) SELECT * FROM gone",
        "SELECT 1; DROP TABLE x",
        "SELECT 1; COMMIT; DROP TABLE x",
        "COMMIT",
        "SELECT * INTO y FROM x",
        "SELECT a FROM x FOR UPDATE",
        "EXPLAIN ANALYZE DELETE FROM x",
        "COPY x TO '/tmp/out.csv'",
        "DO $$ BEGIN DELETE FROM x; END $$",
        "LISTEN y",
        "SET statement_timeout = 0",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT \"set_config\"('transaction_read_only', 'off', true)",
        "SELECT pg_catalog.set_config /* here */ ('statement_timeout', '0', false)",
        "SELECT U&\"set\\005fconfig\"('statement_timeout', '0', false)",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_export(1, '/tmp/out')",
        "SELECT pg_terminate_backend(1)",
        "SELECT pg_advisory_lock(1)",
        "SELECT query_to_xml('DELETE FROM x', true, true, '')",
        "",
        "   -- only a comment",
        "SELEC",
        "SELECT nothing FROM x",
    ],
)
def test_whatever_does_more_than_read_is_refused_and_changes_nothing(url: str, statement: str) -> None:
    with pytest.raises(InputError) as refusal:
        readonly.run(url, statement)
    assert refusal.value.kind == "sql"
    assert count(url) == 25_000


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT a FROM x",
        "  /* why */ -- not\n (SELECT a FROM x)",
        "WITH y AS (SELECT a FROM x) SELECT * FROM y",
        "VALUES (1)",
        "TABLE x",
        "SHOW server_version",
        "EXPLAIN SELECT 1",
        "SELECT 'set_config' AS text",
        "SELECT 1 AS a, 2 AS a",
        "SELECT '50%' AS text",
    ],
)
def test_reading_statements_are_run(url: str, statement: str) -> None:
    assert len(readonly.run(url, statement).table) > 0


def test_values_keep_their_types(url: str) -> None:
    (row,) = readonly.run(url, "SELECT a, b, c, d, NULL AS e FROM x WHERE a = 7").table.to_pylist()
    assert (row["a"], row["e"]) == (7, None)
    assert row["b"][0] == 1.5
    assert row["b"][1] != row["b"][1]
    assert len(row["c"]) == 36


class TestOnPostgreSQL(ReadOnlyContract):
    """With the tables of `url`."""


def test_a_statement_that_takes_too_long_is_stopped(url: str) -> None:
    with pytest.raises(StorageError, match=r"stopped after 0.5 s"):
        readonly.run(
            url, "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b", timeout=0.5
        )


def test_no_connection_stays(url: str) -> None:
    for _ in range(5):
        count(url)
    others = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'headscope sql'"
    deadline = time.monotonic() + 120
    while readonly.run(url, others).table["n"][0].as_py() != 1:  # the server notices an end a little later
        assert time.monotonic() < deadline, "connections stay"
