"""When tests are skipped for want of a database, and when they fail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests import databases


class Bare(databases.PostgresServer):
    """A server that nobody started."""

    def __init__(self) -> None:
        self._admin_url = "postgresql:///postgres?"

    def create(self, name: str, template: str = "template0") -> str:
        return name


def test_a_server_that_does_not_start_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def broken() -> Iterator[databases.PostgresServer]:
        raise OSError("no room")
        yield

    monkeypatch.setattr(databases, "started", broken)
    with (
        pytest.raises(pytest.skip.Exception, match="no PostgreSQL to test on: OSError: no room"),
        databases.postgres_or_skip(),
    ):
        pass


def test_a_migration_that_fails_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(url: str) -> None:
        raise RuntimeError(f"{url}: no such column")

    monkeypatch.setattr(databases, "started", lambda: contextlib.nullcontext(Bare()))
    monkeypatch.setattr(databases.versions, "upgrade", broken)
    with pytest.raises(RuntimeError, match="template_store: no such column"), databases.postgres_or_skip():
        pass
