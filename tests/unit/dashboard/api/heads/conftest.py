"""A served store of runs with heads, for the files that their pages offer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from headscope.dashboard.app import create_app
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests.head_runs import fill


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "heads.duckdb")) as store:
        fill(store)
        yield Services(store)


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services).server.test_client()
