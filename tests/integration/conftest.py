"""Databases for what needs more than a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import PostgresServer


@pytest.fixture(params=["duckdb", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "duckdb":
        yield str(tmp_path / "new folder" / "empty.duckdb")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.new(empty=True) as url:
        yield url
