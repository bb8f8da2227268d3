"""The contract that pages do not know each other holds for every folder of pages: broken on purpose, it fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
ROOMS = ("analysis", "dashboard", "datasets", "migrations", "storage")


@pytest.fixture
def view(tmp_path: Path) -> Path:
    """The package as it is installed (`LAY_VIEW` in the Makefile), its modules only."""
    for source in ("headscope", *ROOMS):
        target = tmp_path / "headscope" / ("" if source == "headscope" else source)
        for path in (ROOT / source).rglob("*.py"):
            copy = target / path.relative_to(ROOT / source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    return tmp_path


def test_a_page_that_imports_another_breaks_the_contract(view: Path) -> None:
    page = view / "headscope/dashboard/pages/bias/view.py"
    page.write_text(page.read_text() + "\nfrom headscope.dashboard.pages.run.query import RunQuery  # noqa\n")
    linter = Path(sys.executable).with_name("lint-imports")
    command = [linter, "--config", ROOT / ".importlinter", "--contract", "pages", "--no-cache"]
    done = subprocess.run(command, cwd=view, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "headscope.dashboard.pages.bias is not allowed to import headscope.dashboard.pages.run" in said
