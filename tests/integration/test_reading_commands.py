"""Commands that read leave everything as it was: no store, no folder and no tables are made by a mistyped address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer

from headscope.analysis.errors import HeadscopeError, StorageError
from headscope.cli import app, store
from headscope.storage import session
from headscope.storage.repository import Store
from tests.databases import PostgresServer
from tests.factories import make_info, make_prompt, make_result, make_set

READING: dict[str, list[str]] = {
    "sql": ["SELECT 1 AS one FROM runs"],
    "detect": ["--experiment", "e"],
    "score": ["--experiment", "e", "--scorer", "linear"],
    "bias": ["--experiment", "e"],
    "toxicity rates": ["--experiment", "e"],
    "check": ["--baseline", "a", "--candidate", "b"],
    "verify": ["e"],
    "suites score": ["bbq", "--experiment", "e"],
    "jobs": [],
    "db check": [],
    "db gc": ["--sole"],
    "db upgrade": [],
    "run": ["--resume"],
}
"""What each command that takes a store needs beside it, to want one that is there."""
MAKING = {"run", "plan", "suites run", "serve", "blackbox", "models check"}
"""Those that make a store; `run` does not with --resume."""
GLANCING = {"models show"}
"""Those that say what a store knows, if there is one."""


def commands(group: Any, name: str = "") -> dict[str, Any]:
    """Every command by its words."""
    if not hasattr(group, "commands"):
        return {name: group}
    found: dict[str, Any] = {}
    for word, command in group.commands.items():
        found |= commands(command, f"{name} {word}".strip())
    return found


COMMANDS = commands(typer.main.get_command(app))
WITH_STORE = {name for name, command in COMMANDS.items() if any(item.name == "store" for item in command.params)}


def call(name: str, url: str, *more: str) -> None:
    typer.main.get_command(app).main([*name.split(), *READING[name], *more, "--store", url], standalone_mode=False)


def test_every_command_that_takes_a_store_is_met() -> None:
    assert set(READING) | MAKING | GLANCING == WITH_STORE


@pytest.mark.parametrize("name", READING)
def test_nothing_is_made_where_there_is_no_store(name: str, tmp_path: Path) -> None:
    for path in (tmp_path / "typo.duckdb", tmp_path / "no such folder" / "typo.duckdb"):
        with pytest.raises(StorageError, match=r"there is no store at .*typo\.duckdb"):
            call(name, str(path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(set(READING) - {"db upgrade"}))
def test_an_empty_postgresql_stays_empty(name: str, postgres_server: PostgresServer) -> None:
    with postgres_server.new(empty=True) as url:
        with pytest.raises(HeadscopeError, match=r"is empty|does not exist"):
            call(name, url)
        engine = session.open_engine(url)
        assert sa.inspect(engine).get_table_names() == []
        engine.dispose()


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with 30 lost files."""
    monkeypatch.delenv("HEADSCOPE_ARTIFACTS", raising=False)
    url = str(tmp_path / "s.duckdb")
    results = [make_result(make_prompt(f"p{n}", f"text {n}"), seed=n, shape=(1, 1), attention=True) for n in range(30)]
    with Store.open(url) as opened:
        job = opened.start_job(experiment="e", model="tiny", spec={}, total=30)
        opened.save(job, make_info(), make_set(*(item.prompt for item in results)), ["attention"], 0, results)
    for path in Path(f"{url}.artifacts").rglob("*.safetensors"):
        path.unlink()
    return url


def test_check_says_a_summary_and_the_first_lines(damaged: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call("db check", damaged)
    said = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1
    assert said[0] == "artifacts missing or damaged: 30"
    assert len(said) == 1 + store.SHOWN + 2
    assert said[-2:] == ["  and 10 more (--verbose)", "`headscope db check --repair` mends what can be mended."]
    with pytest.raises(SystemExit):
        call("db check", damaged, "--verbose")
    assert len(capsys.readouterr().out.splitlines()) == 32


def test_check_repairs(damaged: str, capsys: pytest.CaptureFixture[str]) -> None:
    call("db check", damaged, "--repair")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("marked 30 artifacts of 30 runs as lost")
    assert said[1:] == ["no problems left"]
    call("db check", damaged)
    assert capsys.readouterr().out == "no problems found\n"


def test_gc_says_one_line(damaged: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(f"{damaged}.artifacts") / "attention" / "00" / ("0" * 64 + ".safetensors")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * 2_000_000)
    for more, told in (
        ((), "0 files (0.0 MB) that no run names removed; 1 young ones left"),
        (("--grace-hours", "0", "--dry-run"), "1 files (2.0 MB) that no run names would be removed"),
        (("--grace-hours", "0"), "1 files (2.0 MB) that no run names removed"),
    ):
        call("db gc", damaged, *more)
        assert capsys.readouterr().out == f"{told}\n"
    assert not path.exists()


def test_gc_of_a_folder_that_may_be_shared_asks_first(
    damaged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSCOPE_ARTIFACTS", str(tmp_path / "shared"))
    command = typer.main.get_command(app)
    with pytest.raises(HeadscopeError, match="--sole"):
        command.main(["db", "gc", "--store", damaged], standalone_mode=False)
    command.main(["db", "gc", "--store", damaged, "--dry-run"], standalone_mode=False)
