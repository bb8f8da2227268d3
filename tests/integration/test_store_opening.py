"""Addresses, and what is said about a store that cannot be opened."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import headscope
from headscope.analysis.errors import InputError, StorageError
from headscope.storage import artifacts, owner, session
from headscope.storage.repository import Store

pytestmark = pytest.mark.makes_stores

HOLD = """
import sys
from pathlib import Path
from headscope.storage import owner
from headscope.storage.repository import Store
with Store.open(sys.argv[1]), owner.claim(Path(sys.argv[1]), "headscope serve"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("form", ["{path}", "duckdb:///{path}"])
def test_forms_of_a_duckdb_address(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a store.duckdb"
    assert session.database_path(form.format(path=path)) == path


def test_a_relative_path_is_below_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert session.database_path("runs.duckdb") == session.database_path("duckdb:///runs.duckdb")
    assert session.database_path("runs.duckdb") == tmp_path / "runs.duckdb"


@pytest.mark.parametrize("url", ["", ":memory:", "duckdb://", "mysql://host/db", "http://x", "postgresql:/x", "::://"])
def test_other_addresses_are_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if url == "postgresql:/x":
        assert session.database_path(url) == tmp_path / "postgresql:/x"  # a strange file name, but a file name
        return
    with pytest.raises(InputError):
        session.parse_url(url)


def test_the_password_is_never_shown() -> None:
    url = "postgresql://ann:s3cret@127.0.0.1:1/nowhere"
    assert session.database_path(url) is None
    assert "s3cret" not in session.shown(url)
    with pytest.raises(StorageError) as caught:
        Store.open(url)
    assert "s3cret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_who_holds_the_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "held.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        for opened in (Store.open, headscope.open):
            with pytest.raises(session.StoreHeld, match=f"headscope serve \\(process {process.pid}\\)") as caught:
                opened(str(path))
            assert (caught.value.pid, caught.value.what) == (process.pid, "headscope serve")
            assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        owner.note_path(path).unlink()
        with pytest.raises(session.StoreHeld, match=f"another program \\(process {process.pid}\\)"):
            Store.open(str(path))
        process.communicate()
    Store.open(str(path)).close()


def test_two_may_read_what_nobody_writes(tmp_path: Path) -> None:
    path = str(tmp_path / "read.duckdb")
    Store.open(path).close()
    program = f"import headscope; print(len(headscope.open({path!r}).runs()))"
    with headscope.open(path) as store:
        assert len(store.runs()) == 0
        assert (
            subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "0\n"
        )


def test_reading_beside_a_writer_of_the_same_process(tmp_path: Path) -> None:
    path = str(tmp_path / "both.duckdb")
    with Store.open(path), headscope.open(path) as store:
        assert len(store.runs()) == 0


def test_reading_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no store"):
        headscope.open(str(tmp_path / "none.duckdb"))
    assert not (tmp_path / "none.duckdb").exists()


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "text.duckdb"
    path.write_text("not a database, just some text that is long enough to look like a file " * 100)
    with pytest.raises(StorageError, match=r"text\.duckdb"):
        Store.open(str(path))


def test_where_artifacts_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(artifacts.VARIABLE, raising=False)
    assert artifacts.location(str(tmp_path / "x.duckdb")) == str(tmp_path / "x.duckdb.artifacts")
    first, second = (artifacts.location(f"postgresql://ann:{word}@host/db") for word in ("a", "b"))
    assert first == second  # the password is no part of it
    monkeypatch.setenv(artifacts.VARIABLE, "memory://there")
    assert artifacts.location("postgresql://host/db") == "memory://there"


def test_files_and_network_are_out_of_reach(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    with Store.open(str(tmp_path / "s.duckdb")) as store, store.engine.connect() as connection:
        for statement in (
            f"SELECT * FROM read_csv('{secret}')",
            f"SELECT * FROM '{secret}'",
            f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
            f"ATTACH '{tmp_path}/other.duckdb'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "SELECT * FROM secret",
        ):
            with pytest.raises(Exception, match=r"(?i)disabled|locked|cannot|does not exist"):
                connection.exec_driver_sql(statement)
            connection.rollback()
