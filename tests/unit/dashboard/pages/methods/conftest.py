"""One store for everything that is tested of the Methods page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests import method_runs
from tests.methods_page import unsure_results


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "methods.duckdb")) as opened:
        method_runs.fill(opened)
        method_runs.save(opened, "unsure", unsure_results())
        yield opened


@pytest.fixture
def services(store: Store) -> Services:
    return Services(store)
