"""`headscope sql`, its tables and its exports, as a user types it."""

from __future__ import annotations

import csv
import io
import json
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pytest

from headscope.storage import export
from headscope.storage.repository import Store
from tests.cli import Done, headscope

LONG = "a sentence of many words " * 40


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("sql") / "s.duckdb")
    Store.open(path).close()
    return path


def sql(store: str, *arguments: str, stdin: str = "") -> Done:
    return headscope("sql", *arguments, "--store", store, stdin=stdin)


@pytest.mark.parametrize(
    "comment", ["-- how many\n", "--how many\n", "--n=1\n", "/* how many */ ", "\n-- one\n-- two\n\n"]
)
def test_a_statement_may_begin_with_comments_and_come_from_anywhere(store: str, tmp_path: Path, comment: str) -> None:
    statement = f"{comment}SELECT 41 + 1 AS n"
    (tmp_path / "q.sql").write_text(statement, encoding="utf-8-sig")
    for done in (
        sql(store, statement, "--format", "json"),
        sql(store, "--format", "json", statement),
        sql(store, "-f", str(tmp_path / "q.sql"), "--format", "json"),
        sql(store, "-f", "-", "--format", "json", stdin=statement),
        sql(store, "--format", "json", stdin=statement),
    ):
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [{"n": 42}]


def test_what_is_no_statement_is_said(store: str, tmp_path: Path) -> None:
    two = sql(store, "SELECT 1", "-f", str(tmp_path / "q.sql"))
    assert (two.returncode, "leave one out" in two.stderr) == (1, True)
    missing = sql(store, "-f", str(tmp_path / "none.sql"))
    assert (missing.returncode, "No such file" in missing.stderr) == (1, True)
    assert sql(store, stdin="").returncode == 1
    assert sql(store, "SELECT 1", "--fromat", "csv").returncode == 2


def test_a_table_on_a_pipe_has_one_line_for_a_row(store: str) -> None:
    done = sql(store, f"SELECT i AS n, repeat('{LONG}', 20) AS text FROM range(3) t(i)")
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert all(line.count(LONG) == 20 for line in lines[1:])
    for command in (("datasets", "list"), ("datasets", "formats"), ("models", "list")):
        printed = headscope(*command).stdout.splitlines()
        assert all(line[0] != " " for line in printed), command  # a wrapped cell begins its lines with blanks


def test_tables_show_six_digits_and_exports_all(store: str) -> None:
    query = "SELECT pi() AS a, 1234567.891::DOUBLE AS b, [0.123456789::FLOAT, NULL] AS c, 1e-9::DOUBLE AS d, 7 AS e"
    assert sql(store, query).stdout.splitlines()[1].split() == [
        "3.14159", "1234568", "[0.123457,", "NULL]", "1e-09", "7"
    ]  # fmt: skip
    assert json.loads(sql(store, query, "--format", "json").stdout)[0]["a"] == 3.141592653589793
    (row,) = csv.DictReader(io.StringIO(sql(store, query, "--format", "csv").stdout))
    assert (row["a"], row["b"]) == ("3.141592653589793", "1234567.891")


def test_csv_quotes_what_needs_it_alone() -> None:
    texts = ["plain", "two words", "a,b", 'say "é"', "two\nlines", "", None, " led", "NULL"]
    table = pa.table({"id": range(len(texts)), "a text": texts, "x": pa.array([0.1] * len(texts), pa.float32())})
    written = export.to_format(table, "csv").decode()
    assert written.split("\n")[:5] == [
        "id,a text,x", "0,plain,0.1", "1,two words,0.1", '2,"a,b",0.1', '3,"say ""é""",0.1'
    ]  # fmt: skip
    assert '\n5,"",0.1\n6,,0.1\n7," led",0.1\n8,NULL,0.1\n' in written
    rows = [line[1] for line in csv.reader(io.StringIO(written, newline=""))][1:]
    assert rows == [text or "" for text in texts]
    assert export.to_format(table.slice(0, 0), "csv") == b"id,a text,x\n"


def test_the_version_is_told() -> None:
    done = headscope("--version")
    assert (done.returncode, done.stdout) == (0, f"headscope {version('headscope')}\n")


def test_a_model_carries_the_name_it_was_given(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    store = str(tmp_path / "s.duckdb")
    command = ("run", "--prompts", "-", "--model", str(tiny_gpt2_dir), "--analyses", "heads", "--store", store)
    done = headscope(*command, "--name", "short", stdin="the cat\n")
    assert done.returncode == 0, done.stderr
    query = (
        "SELECT r.model AS run, m.name, m.path, j.model AS job FROM runs r JOIN models m ON m.id = r.model_id, jobs j"
    )
    (row,) = json.loads(sql(store, query, "--format", "json").stdout)
    assert row == {"run": "short", "name": "short", "path": str(tiny_gpt2_dir.resolve()), "job": "short"}
    again = headscope(*command, "--name", "other", stdin="the cat\n")
    assert (again.returncode, "under the name 'short'" in again.stderr) == (1, True)
    assert headscope(*command, stdin="the dog\n").returncode == 0
    assert sql(store, "SELECT DISTINCT model FROM runs", "--format", "csv").stdout == "model\nshort\n"
