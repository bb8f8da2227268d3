"""PostgreSQL's driver is an extra: everything else works without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WITHOUT = "import sys; sys.modules['psycopg'] = None; import headscope.cli; "
STORED = (
    "from headscope.storage.repository import Store; from headscope.storage.rows import RunFilter; "
    "Store.open(sys.argv[1]).head_stats(RunFilter(search='x'))"
)


def test_the_command_and_an_embedded_store_need_no_driver_of_postgresql(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT + STORED, str(tmp_path / "a.duckdb")],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
