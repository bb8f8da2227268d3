"""The note beside a store: whose it must be, and what it must say, before anything follows it."""

from __future__ import annotations

import json
import os
import pickle
import stat
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from headscope.storage import owner
from headscope.storage.owner import NotBelieved, Owner

URL = "http://127.0.0.1:8050"
NOBODY = 65534


def me(url: str | None = URL) -> Owner:
    return Owner(os.getpid(), psutil.Process().create_time(), "headscope serve", url, "t" * 32)


def leave(database: Path, note: Owner, mode: int = 0o600) -> Path:
    path = owner.note_path(database)
    path.write_text(json.dumps(asdict(note)))
    path.chmod(mode)
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "runs.duckdb"


def test_a_claim_can_be_read_by_its_user_only_and_goes_with_the_process(database: Path) -> None:
    with owner.claim(database, "headscope serve", URL) as mine:
        note = owner.note_path(database)
        assert stat.S_IMODE(note.stat().st_mode) == 0o600
        assert owner.read(database) == mine
        assert len(mine.token) >= 32
        assert mine.token not in repr(mine)
    assert not note.exists()
    assert owner.read(database) is None


def test_a_process_that_takes_no_work_has_no_token(database: Path) -> None:
    with owner.claim(database, "headscope run") as mine:
        assert (mine.pid, mine.url, mine.token) == (os.getpid(), None, "")
        assert owner.read(database) == mine


def test_the_note_of_a_dead_process_is_nobodys(database: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    started = psutil.Process(dead.pid).create_time()
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)  # it has ended and nobody has asked how: a zombie
    leave(database, replace(me(), pid=dead.pid, started=started))
    assert owner.read(database) is None
    dead.wait()
    assert owner.read(database) is None


def test_a_process_that_only_has_the_number_is_not_the_owner(database: Path) -> None:
    leave(database, replace(me(), started=me().started - 100))
    assert owner.read(database) is None


@pytest.mark.parametrize(
    "content",
    ["{not json", "[]", "3", "{}", '{"pid": 1}', '{"pid": "1", "started": 0, "what": "x"}', "\xff",
     '{"pid": -1, "started": 0, "what": "x"}', '{"pid": 1e400, "started": 0, "what": "x"}', "[" * 9_000],
)  # fmt: skip
def test_a_damaged_note_is_nobodys(database: Path, content: str) -> None:
    owner.note_path(database).write_bytes(content.encode("latin-1"))
    assert owner.read(database) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_somebody_elses_note_is_refused(database: Path) -> None:
    os.chown(leave(database, me()), NOBODY, NOBODY)
    with pytest.raises(NotBelieved, match=f"another user \\(number {NOBODY}\\)") as refused:
        owner.read(database)
    assert "delete the note" in str(refused.value)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o620, 0o700])
def test_a_note_that_others_may_open_is_refused(database: Path, mode: int) -> None:
    leave(database, me(), mode)
    with pytest.raises(NotBelieved, match="open to others"):
        owner.read(database)


def test_links_pipes_and_folders_are_refused(database: Path, tmp_path: Path) -> None:
    elsewhere = leave(tmp_path / "other", me())
    owner.note_path(database).symlink_to(elsewhere)
    with pytest.raises(NotBelieved, match="symbolic link"):
        owner.read(database)
    owner.note_path(database).unlink()
    os.mkfifo(owner.note_path(database), 0o600)
    with pytest.raises(NotBelieved, match="is no file"):
        owner.read(database)
    owner.note_path(database).unlink()
    owner.note_path(database).mkdir()
    with pytest.raises(NotBelieved, match="is no file"):
        owner.read(database)


@pytest.mark.parametrize(
    "url",
    ["http://evil.example:80", "https://127.0.0.1:8050", "http://127.0.0.1@evil.example:80", "http://127.0.0.1",
     "http://127.0.0.1.evil.example:80", "http://127.0.0.1:8050/x", "http://127.0.0.1:80#", "file:///etc/passwd",
     "http://127.0.0.1:80\n", "http://localhost:80\\@evil.example:80", "http://10.0.0.1:8050", ""],
)  # fmt: skip
def test_an_address_that_is_not_this_machine_is_refused(database: Path, url: str) -> None:
    leave(database, me(url))
    with pytest.raises(NotBelieved, match="no address of this machine"):
        owner.read(database)


@pytest.mark.parametrize("url", [URL, "http://localhost:1", "http://[::1]:65535"])
def test_addresses_of_this_machine(database: Path, url: str) -> None:
    leave(database, me(url))
    assert owner.read(database) == me(url)


def test_a_proof_is_about_the_token_the_question_the_file_and_the_address(database: Path, tmp_path: Path) -> None:
    right = owner.proof("token", "nonce", database, URL)
    others = [("other", "nonce", database, URL), ("token", "other", database, URL),
              ("token", "nonce", tmp_path / "b", URL), ("token", "nonce", database, URL + "1")]  # fmt: skip
    assert right not in [owner.proof(*other) for other in others]
    (tmp_path / "way").symlink_to(tmp_path)
    assert owner.proof("token", "nonce", tmp_path / "way" / database.name, URL) == right


def test_a_claim_takes_the_place_of_a_note_that_is_not_believed(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("mine")
    owner.note_path(database).symlink_to(target)
    with owner.claim(database, "headscope run") as mine:
        assert owner.read(database) == mine
    assert target.read_text() == "mine"


def test_leaving_does_not_take_anothers_note_away(database: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        try:
            theirs = Owner(other.pid, psutil.Process(other.pid).create_time(), "headscope serve")
            with owner.claim(database, "headscope run"):
                leave(database, theirs)
            assert owner.read(database) == theirs
            with owner.claim(database, "headscope run"):
                leave(database, me(), 0o644)
            assert owner.note_path(database).exists()
        finally:
            other.communicate(b"\n")
