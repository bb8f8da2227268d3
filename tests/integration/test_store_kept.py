"""Stores that older programs wrote (`tests/stores`, one for each kept schema): all that was in them is there today."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from headscope.analysis.errors import StorageError
from headscope.storage import session
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter
from headscope.storage.schema import versions
from tests.databases import PostgresServer
from tests.stores.contents import contents

pytestmark = pytest.mark.makes_stores

RENAMED = {"group": "group_name"}
"""What older programs called it -> what it is called now."""
FOLDER = Path(__file__).parents[1] / "stores"
VERSIONS = sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.duckdb.zst"))


def unpacked(name: str) -> bytes:
    return zstandard.decompress((FOLDER / f"{name}.zst").read_bytes())


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a kept store, whose artifacts lie where the store looks for them."""
    shutil.copytree(FOLDER / f"{request.param}.artifacts", tmp_path / "artifacts")
    monkeypatch.setenv("HEADSCOPE_ARTIFACTS", str(tmp_path / "artifacts"))
    name: str = request.param
    return name


@pytest.fixture
def kept_url(version: str, database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The kept store as it was, on each database in turn."""
    if database == "duckdb":
        path = tmp_path / f"{version}.duckdb"
        path.write_bytes(unpacked(f"{version}.duckdb"))
        yield str(path)
        return
    import psycopg

    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.new(empty=True) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(unpacked(f"{version}.postgresql.sql"))
        yield url


def assert_holds(new: Any, old: Any, path: str = "") -> None:
    """`new` says all that `old` says; objects may say more."""
    if isinstance(old, dict):
        for key in old:
            now = RENAMED.get(key, key) if key not in new else key
            assert now in new, f"{path}.{key} is gone"
            assert_holds(new[now], old[key], f"{path}.{key}")
    elif isinstance(old, list):
        assert len(new) == len(old), path
        for index, (mine, its) in enumerate(zip(new, old, strict=True)):
            assert_holds(mine, its, f"{path}[{index}]")
    else:
        assert new == old, path


def apart(attributions: list[dict[str, Any]]) -> None:
    """What an attribution took, from schema 0009 on apart from how it was set."""
    for one in attributions:
        one["outcome"] = {"steps": one["params"].pop("steps")}


def as_before(rows: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the columns of before, in the order of before."""
    columns = before[0] if before else {}
    return sorted(
        ({name: row[name] for name in columns} for row in rows), key=lambda row: json.dumps(row, sort_keys=True)
    )


def test_a_kept_store_is_upgraded_and_holds_what_it_held(kept_url: str, version: str, database: str) -> None:
    before = json.loads(unpacked(f"{version}.{database}.json"))
    with pytest.raises(StorageError, match="headscope db upgrade"):
        Store.open(kept_url)
    assert versions.upgrade(kept_url) == (version.removeprefix("v"), versions.head())
    versions.differences(kept_url)
    after = contents(kept_url)  # every row, every view, every run through the Reader; and check() finds nothing
    for moved in (before["rows"]["attributions"], *(run["attributions"] for run in before["runs"].values())):
        apart(moved)
    for name, rows in before["rows"].items():
        assert as_before(after["rows"][name], rows) == rows, name
    for job in before["jobs"]:
        if job["status"] == "running":
            job["status"] = "interrupted"  # its process is gone, which the program of then could not tell
    for part in ("runs", "jobs", "attention"):
        assert_holds(after[part], before[part], part)


def test_a_kept_store_is_counted_as_before(kept_url: str, version: str, database: str) -> None:
    before = json.loads(unpacked(f"{version}.{database}.json"))["rows"]["runs"]
    versions.upgrade(kept_url)
    with Store.open(kept_url) as store:
        summary = store.overview()
        facets = store.facets(RunFilter(), ["experiment", "status"])
    for name in ("experiment", "status"):
        counted = {item.value: item.count for item in facets[name]}
        assert counted == {value: sum(row[name] == value for row in before) for value in {row[name] for row in before}}
    assert sum(summary.status_counts.values()) == len(before) > 5


def test_the_kept_stores_hold_every_kind_of_run() -> None:
    """What the other tests compare is worth comparing."""
    rows = json.loads(unpacked("v0001.duckdb.json"))["rows"]
    assert [name for name, found in rows.items() if not found] == []
    assert {row["status"] for row in rows["runs"]} == {"succeeded", "failed"}
    assert {row["status"] for row in rows["jobs"]} == {"succeeded", "failed", "cancelled", "running"}
    assert sum(row["copied_from"] is not None for row in rows["run_details"]) == 1


def test_an_upgrade_is_there_after_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine finds that loses its power right after the upgrade: the file as it was, and the log of it all."""
    monkeypatch.setenv("HEADSCOPE_ARTIFACTS", str(tmp_path / "artifacts"))
    for name, content in (("old", unpacked("v0001.duckdb")), ("new", b"")):
        path, crashed = tmp_path / f"{name}.duckdb", tmp_path / f"{name}-crashed.duckdb"
        if content:
            path.write_bytes(content)
        engine = session.open_engine(str(path))
        with engine.connect():  # one stays open, so that nothing writes the log into the file
            versions.migrate(engine)
            assert Path(f"{path}.wal").stat().st_size > 1000
            shutil.copy(path, crashed)
            shutil.copy(f"{path}.wal", f"{crashed}.wal")
        engine.dispose()
        with Store.open(str(crashed)) as store:
            rows = store.runs_page(RunFilter()).rows
        assert (len(rows) > 0) == bool(content)
