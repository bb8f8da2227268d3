"""heads.csv, labels.csv, models.csv: the numbers of the runs themselves, their intervals, and what is not exported."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
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
from tests.factories import make_info, make_set
from tests.head_runs import SHAPE, N, results
from tests.page_parts import HOST, csv_rows, hrefs


def test_the_cards_file_has_every_head_with_its_interval_and_method(services: Services, client: FlaskClient) -> None:
    query = HeadsQuery.from_query("?experiment=removed&stat=induction")
    _, actions = heads.SCOPED.content("heads-map", services, query)
    (address,) = [link for link in hrefs(actions) if "heads.csv" in link]
    found = csv_rows(client, address)
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
    assert csv_rows(client, "/api/v1/heads/heads.csv?q=nothinglikeit") == []
    assert client.get("/api/v1/heads/heads.csv?sort=size", headers=HOST).status_code == 400


def test_an_empty_store_has_an_empty_file(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "empty.duckdb")) as store:
        assert csv_rows(create_app(Services(store)).server.test_client(), "/api/v1/heads/heads.csv") == []


def offered(services: Services, card: str, query: HeadsQuery) -> list[str]:
    return [link for link in hrefs(heads.SCOPED.content(card, services, query)[1]) if "csv" in link]


def test_labels_csv_has_the_labels_that_the_table_shows_with_their_evidence(
    services: Services, client: FlaskClient
) -> None:
    query = HeadsQuery(experiment="removed")
    (address,) = offered(services, "heads-table", query)
    found = csv_rows(client, address)
    seen = {(row["layer"], row["head"], row["label"]) for row in found}
    assert {("2", "1", "previous token"), ("5", "0", "induction"), ("7", "2", "helps")} <= seen
    (row,) = [row for row in found if row["label"] == "previous token"]
    values = np.stack([one.heads.previous_token for one in results(ablated=True)]).astype(float)[:, 2, 1]  # type: ignore[union-attr]
    assert (row["statistic"], int(row["n"]), row["asked"], row["threshold"]) == ("previous_token", N, "above", "0.5")
    assert float(row["mean"]) == pytest.approx(values.mean())
    low, high = stats.t.interval(0.95, N - 1, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(N))
    assert 0.5 < float(row["low"]) <= low + 1e-6
    assert float(row["high"]) >= high - 1e-6
    assert "whole 95 % interval" in row["method"]
    (only,) = offered(services, "heads-table", replace(query, label="induction"))
    rows = [row for row in csv_rows(client, only) if row["label"] == "induction"]
    assert [(row["layer"], row["head"], row["statistic"]) for row in rows] == [
        ("5", "0", "induction"),
        ("5", "0", "induction_lift"),
    ]
    assert {(row["layer"], row["head"]) for row in csv_rows(client, only)} == {("5", "0")}


def test_a_label_that_no_head_has_offers_no_file_and_one_that_is_none_is_refused(
    services: Services, client: FlaskClient
) -> None:
    assert offered(services, "heads-table", HeadsQuery(experiment="removed", label="sink")) == []
    assert csv_rows(client, "/api/v1/heads/labels.csv?experiment=removed&label=sink") == []
    assert csv_rows(client, "/api/v1/heads/labels.csv?experiment=none") == []
    answer = client.get("/api/v1/heads/labels.csv?label=clever", headers=HOST)
    assert (answer.status_code, "is no label" in answer.json["error"]) == (400, True)


def test_models_csv_has_every_head_of_two_models_with_its_interval(tmp_path: Path) -> None:
    made = results(ablated=False)
    other = [replace(one, heads=deepcopy(one.heads), result_key=one.result_key[::-1]) for one in made]
    for i, result in enumerate(other):
        result.heads.previous_token[2, 1] = 0.1 + 0.01 * (i % 3)  # type: ignore[union-attr]
    with Store.open(str(tmp_path / "two.duckdb")) as both:
        for name, some in (("tiny", made), ("tuned", other)):
            job = both.start_job(experiment="removed", model=name, spec={}, total=N)
            both.save(job, make_info(name), make_set(*(one.prompt for one in some), name="cats"), [], 0, some)
        services = Services(both)
        (address,) = offered(services, "heads-models", HeadsQuery(experiment="removed", model="tuned"))
        found = csv_rows(create_app(services).server.test_client(), address)
    first, second = (np.stack([one.heads.previous_token for one in some]).astype(float) for some in (made, other))  # type: ignore[union-attr]
    assert [(row["first_model"], row["second_model"]) for row in found] == [("tiny", "tuned")] * first[0].size
    assert [(int(row["layer"]), int(row["head"])) for row in found] == list(np.ndindex(SHAPE))
    gaps = np.array([float(row["difference"]) for row in found]).reshape(SHAPE)
    np.testing.assert_allclose(gaps, first.mean(0) - second.mean(0), atol=1e-7)
    row = next(row for row in found if (row["layer"], row["head"]) == ("2", "1"))
    assert (float(row["first_mean"]), float(row["second_mean"])) == pytest.approx(
        (first[:, 2, 1].mean(), second[:, 2, 1].mean())
    )
    # Zou and Donner: each end is as far as both means' own ends, in squares, and those are no nearer than Student's
    halves = [stats.t.ppf(0.975, N - 1) * one[:, 2, 1].std(ddof=1) / np.sqrt(N) for one in (first, second)]
    assert float(row["low"]) <= gaps[2, 1] - np.hypot(*halves) + 1e-6
    assert float(row["high"]) >= gaps[2, 1] + np.hypot(*halves) - 1e-6
    assert float(row["high"]) - float(row["low"]) < 4 * np.hypot(*halves)
    assert "first minus the second" in row["method"]


def test_one_model_has_nothing_to_compare(services: Services, client: FlaskClient) -> None:
    assert offered(services, "heads-models", HeadsQuery(experiment="removed")) == []
    answer = client.get("/api/v1/heads/models.csv?experiment=removed", headers=HOST)
    assert (answer.status_code, "nothing to compare" in answer.json["error"]) == (400, True)
    assert client.get("/api/v1/heads/models.csv?experiment=none", headers=HOST).status_code == 400
    assert client.get("/api/v1/heads/all.csv", headers=HOST).status_code == 404
