"""The guards of user SQL on DuckDB, with the file closed (another process asks) and open (the server asks itself)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from headscope.analysis.errors import InputError, StorageError, UnknownNameError
from headscope.storage import export, session
from headscope.storage.sql import readonly
from tests.integration.readonly_contract import ReadOnlyContract


@pytest.fixture(params=["file closed", "file open here"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "x.duckdb")
    engine = session.open_engine(path)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE x (a INTEGER, b REAL[], c VARCHAR)"))
        row = "INSERT INTO x SELECT i, [1.5::REAL, 'NaN'::REAL, NULL], 'say \"é\", ' || i FROM range(25000) r(i)"
        connection.execute(sa.text(row))
    if request.param == "file closed":
        engine.dispose()
    yield path
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE x", "INSERT INTO x VALUES (1, [], '')", "UPDATE x SET a = 1", "ATTACH 'other.duckdb'",
     "SET threads = 1",
     "COPY x TO 'out.csv'", "INSTALL httpfs", "CHECKPOINT", "SELECT 1; DROP TABLE x", "",
     "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_text('/etc/passwd')",
     "EXPLAIN ANALYZE DELETE FROM x", "SELECT nonsense FROM x", "SELEC"],
)  # fmt: skip
def test_whatever_does_more_than_read_is_refused_and_changes_nothing(url: str, statement: str) -> None:
    with pytest.raises(InputError) as refusal:
        readonly.run(url, statement)
    assert refusal.value.kind == "sql"
    assert readonly.run(url, "SELECT count(*) AS n FROM x").table.to_pylist() == [{"n": 25000}]


@pytest.mark.parametrize(
    "statement", ["SELECT a FROM x", "FROM x", "WITH y AS (FROM x) SELECT * FROM y", "SHOW TABLES", "DESCRIBE x",
                  "EXPLAIN SELECT 1", "VALUES (1)", "SELECT 1; -- done"],
)  # fmt: skip
def test_reading_statements_are_run(url: str, statement: str) -> None:
    assert len(readonly.run(url, statement).table) > 0


class TestOnDuckDB(ReadOnlyContract):
    """With the tables of `url`."""


def test_a_statement_that_takes_too_long_is_stopped(url: str) -> None:
    with pytest.raises(StorageError, match=r"stopped after 0.3 s"):
        readonly.run(url, "SELECT count(*) FROM range(100000000) a, range(1000000) b", timeout=0.3)


@pytest.mark.parametrize("timeout", [0, -1, 1e300, float("inf"), float("nan"), 3600.1, "5", None, True])
def test_a_time_limit_that_is_none_is_refused(url: str, timeout: Any) -> None:
    with pytest.raises(InputError, match="timeout must be a number of seconds, more than 0 and at most 3600"):
        readonly.run(url, "SELECT 1", timeout=timeout)


@pytest.mark.parametrize("limit", [0, -1, 1e300, float("inf"), float("nan"), 10**30, "5", None, True])
def test_a_row_limit_that_is_none_is_refused(url: str, limit: Any) -> None:
    with pytest.raises(InputError, match="limit must be a whole number from 1 to"):
        readonly.run(url, "SELECT 1", limit=limit)


def test_a_limit_that_is_over_before_the_statement_begins_still_stops_it(url: str) -> None:
    with pytest.raises(StorageError, match="stopped after"):
        readonly.run(url, "SELECT count(*) FROM range(100000000) a, range(1000000) b", timeout=1e-6)


FOLDER_STATEMENTS = (
    "IMPORT DATABASE '{}'", "EXPORT DATABASE '{}'", "ATTACH '{}/schema.sql'", "COPY x FROM '{}/load.sql'", "LOAD '{}'",
    "INSTALL x FROM '{}'", "SELECT * FROM '{}/load.sql'", "SELECT * FROM glob('{}/*')", "EXPLAIN IMPORT DATABASE '{}'",
    "SELECT * FROM read_csv('{}/load.sql')", "SET home_directory = '{}'", "PRAGMA import_database('{}')",
)  # fmt: skip


@pytest.mark.parametrize("statement", FOLDER_STATEMENTS)
def test_no_statement_tells_what_is_on_the_disk_or_waits_for_it(url: str, tmp_path: Path, statement: str) -> None:
    """A folder whose files would block whoever opens them, one of plain files, and none at all: one answer."""
    pipes, files = tmp_path / "a" / "db", tmp_path / "b" / "db"
    for folder in (pipes, files):
        folder.mkdir(parents=True)
    for name in ("schema.sql", "load.sql"):
        os.mkfifo(pipes / name)
        (files / name).write_text("SELECT 1;")
    answers = []
    for folder in (pipes, files, tmp_path / "c" / "db"):
        with pytest.raises(InputError) as refusal:
            readonly.run(url, statement.format(folder), timeout=20)
        answers.append(str(refusal.value).replace(str(folder), "FOLDER"))
    assert len(set(answers)) == 1
    assert not answers[0].startswith("the statement was stopped")


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no store"):
        readonly.run(str(tmp_path / "none.duckdb"), "SELECT 1")
    assert not list(tmp_path.iterdir())


def test_formats_keep_values_exact(url: str) -> None:
    table = readonly.run(url, "SELECT a, b, c, NULL AS d, 0.1::DOUBLE AS e FROM x WHERE a < 2 ORDER BY a").table
    assert json.loads(export.to_format(table, "json"))[1] == {
        "a": 1, "b": [1.5, None, None], "c": 'say "é", 1', "d": None, "e": 0.1,
    }  # fmt: skip
    assert export.to_format(table, "csv").decode().splitlines()[:2] == [
        'a,b,c,d,e', '0,"[1.5, null, null]","say ""é"", 0",,0.1',
    ]  # fmt: skip
    path = Path(url).with_suffix(".parquet")
    path.write_bytes(export.to_format(table.drop_columns("d"), "parquet"))
    import pyarrow.parquet as pq

    assert pq.read_table(path)["c"].to_pylist() == ['say "é", 0', 'say "é", 1']
    with pytest.raises(UnknownNameError, match="csv, json, parquet"):
        export.to_format(table, "xlsx")
