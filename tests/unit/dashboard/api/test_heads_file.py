"""heads.csv: the numbers of the runs themselves, their intervals, and what is not exported."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from scipy import stats

from headscope.dashboard.app import create_app
from headscope.dashboard.pages.heads import page as heads
from headscope.dashboard.pages.heads.query import HeadsQuery
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests.head_runs import N, fill, results
from tests.page_parts import hrefs

HOST = {"Host": "127.0.0.1:8050"}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "heads.duckdb")) as store:
        fill(store)
        yield Services(store)


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services).server.test_client()


def lines(client: FlaskClient, address: str) -> list[dict[str, str]]:
    answer = client.get(address, headers=HOST)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_the_cards_file_has_every_head_with_its_interval_and_method(services: Services, client: FlaskClient) -> None:
    query = HeadsQuery.from_query("?experiment=removed&stat=induction")
    _, actions = heads.SCOPED.content("heads-map", services, query)
    (address,) = [link for link in hrefs(actions) if "heads.csv" in link]
    found = lines(client, address)
    values = np.stack([result.heads.previous_token for result in results(ablated=True)]).astype(float)  # type: ignore[union-attr]
    mine = [row for row in found if row["statistic"] == "previous_token" and row["model"] == found[0]["model"]]
    assert len(mine) == values[0].size
    for row in mine:
        one = values[:, int(row["layer"]), int(row["head"])]
        assert int(row["n"]) == N
        assert float(row["mean"]) == pytest.approx(one.mean())
        assert float(row["sd"]) == pytest.approx(one.std(ddof=1))
        assert float(row["skewness"]) == pytest.approx(stats.skew(one), abs=1e-4)
        low, high = stats.t.interval(0.95, N - 1, loc=one.mean(), scale=one.std(ddof=1) / np.sqrt(N))
        assert float(row["low"]) <= low + 1e-6
        assert float(row["high"]) >= high - 1e-6
        assert "95 % intervals" in row["method"]
    assert {row["statistic"] for row in found} >= {"previous_token", "induction", "head_ablation"}


def test_nothing_measured_is_an_empty_file_and_a_wrong_address_is_refused(client: FlaskClient) -> None:
    assert lines(client, "/api/v1/heads/heads.csv?q=nothinglikeit") == []
    assert client.get("/api/v1/heads/heads.csv?sort=size", headers=HOST).status_code == 400


def test_an_empty_store_has_an_empty_file(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "empty.duckdb")) as store:
        assert lines(create_app(Services(store)).server.test_client(), "/api/v1/heads/heads.csv") == []
