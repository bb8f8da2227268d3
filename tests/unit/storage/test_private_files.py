"""What a store consists of is readable by its user only; folders that were there stay as they are."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from headscope.storage import private
from headscope.storage.artifacts import ArtifactFolder
from headscope.storage.repository import Store

pytestmark = pytest.mark.makes_stores


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """Files that nobody cares about are readable by everybody."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_store_its_folders_and_its_artifacts_are_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "new" / "deep" / "runs.duckdb"
    with Store.open(str(path)) as store:
        store.artifacts.put_attention(np.ones((1, 1, 2, 2), np.float16))
    assert [mode(folder) for folder in (path.parent, path.parent.parent)] == [0o700, 0o700]
    assert mode(tmp_path) == 0o755
    for file in tmp_path.rglob("*"):
        assert mode(file) == (0o700 if file.is_dir() else 0o600), file
    assert (path.parent / "runs.duckdb.artifacts").is_dir()


def test_folders_that_were_there_stay_as_they_are(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    row = ArtifactFolder(str(shared)).put_attention(np.ones((1, 1, 2, 2), np.float16))
    assert mode(shared) == 0o755
    assert mode(shared / row.key) == 0o600
    assert mode((shared / row.key).parent) == 0o700


def test_a_store_that_was_there_is_opened_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "runs.duckdb"
    Store.open(str(path)).close()
    path.chmod(0o640)
    with Store.open(str(path)) as store:
        assert store.check() == []
    assert mode(path) == 0o640


WRITES = """
import os, sys
os.umask(0o022)
from headscope.storage import private
from headscope.storage.repository import Store
private.keep_to_this_user()
with Store.open(sys.argv[1]) as store:
    store.start_job(experiment="e", model="m", spec={}, total=1)
    print(*sorted(oct(os.stat(name).st_mode & 0o777) + " " + os.path.basename(name)
          for name in (sys.argv[1], sys.argv[1] + ".wal")), sep="\\n")
"""


def test_the_log_of_a_program_that_owns_a_store_is_closed_to_others_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITES, str(tmp_path / "s.duckdb")], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["0o600 s.duckdb", "0o600 s.duckdb.wal"]


def test_a_stricter_umask_stays(tmp_path: Path) -> None:
    os.umask(0o277)
    private.keep_to_this_user()
    assert os.umask(0o022) == 0o277
