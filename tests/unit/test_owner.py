from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

from storage import owner


def test_a_claim_can_be_read_by_its_user_only_and_goes_with_the_process(tmp_path: Path) -> None:
    database = tmp_path / "runs.duckdb"
    with owner.claim(database, "headscope serve", "http://127.0.0.1:1") as mine:
        note = owner.note_path(database)
        assert stat.S_IMODE(note.stat().st_mode) == 0o600
        assert owner.read(database) == mine
        assert len(mine.token) >= 32
        assert mine.token not in repr(mine)
    assert not note.exists()
    assert owner.read(database) is None


def test_a_process_that_takes_no_work_has_no_token(tmp_path: Path) -> None:
    with owner.claim(tmp_path / "runs.duckdb", "headscope run") as mine:
        assert (mine.pid, mine.url, mine.token) == (os.getpid(), None, "")


def test_the_note_of_a_dead_process_is_nobodys(tmp_path: Path) -> None:
    database = tmp_path / "runs.duckdb"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    owner.note_path(database).write_text(json.dumps({"pid": dead.pid, "what": "headscope serve", "url": "http://x"}))
    assert owner.read(database) is None


def test_a_damaged_note_is_nobodys(tmp_path: Path) -> None:
    database = tmp_path / "runs.duckdb"
    owner.note_path(database).write_text("{not json")
    assert owner.read(database) is None


def test_leaving_does_not_take_anothers_note_away(tmp_path: Path) -> None:
    database = tmp_path / "runs.duckdb"
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with owner.claim(database, "headscope run"):
            owner.note_path(database).write_text(json.dumps({"pid": other.pid, "what": "headscope serve"}))
        found = owner.read(database)
        assert found is not None
        assert found.pid == other.pid
    finally:
        other.communicate(b"\n")
