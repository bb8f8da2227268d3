"""Stores for tests that draw: one with nothing in it, one with the hand-made runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from headscope.dashboard.app import create_app
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter
from tests.run_samples import bare, failed, full, keep


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Nothing stored."""
    with Store.open(str(tmp_path_factory.mktemp("store") / "empty.duckdb")) as opened:
        yield opened


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Three runs: whole, bare, failed."""
    with Store.open(str(tmp_path_factory.mktemp("samples") / "runs.duckdb")) as opened:
        keep(opened, full(), bare(), failed())
        yield opened


@pytest.fixture(scope="module")
def ids(samples: Store) -> tuple[str, ...]:
    """Ids of the runs in `samples`: whole, bare, failed."""
    found = {row.prompt_key: row.id for row in samples.runs_page(RunFilter()).rows}
    return tuple(found[key] for key in ("row-1", "row-2", "row-3"))


@pytest.fixture
def client(store: Store) -> FlaskClient:
    """Of an app over the module's own `store`, without an engine."""
    return create_app(Services(store)).server.test_client()
