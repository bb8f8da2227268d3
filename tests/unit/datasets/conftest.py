"""Files of tests, and what is scored of a prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.published_files import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    return to_file
