"""The files of one head's page: the numbers of the runs themselves, what the page shows, and what is not exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray

from headscope.dashboard import links
from headscope.dashboard.app import create_app
from headscope.dashboard.pages.heads import head
from headscope.dashboard.pages.heads import page as heads
from headscope.dashboard.pages.heads.query import HeadQuery, HeadsQuery
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests.head_runs import SHAPE, N, results
from tests.page_parts import HOST, csv_rows, hrefs, text_of, walk

QUERY = HeadQuery(model="tiny", head="5.0", experiment="removed")


def offered(services: Services, card: str, query: HeadQuery = QUERY) -> list[str]:
    return hrefs(head.SCOPED.content(card, services, query)[1])


def stored(name: str) -> NDArray[np.float64]:
    """`[run, layer, head]`, NaN where a run has none."""
    return np.stack([getattr(result.heads, name) for result in results(ablated=True)]).astype(float)


def test_head_csv_has_a_row_for_every_statistic_of_the_head(services: Services, client: FlaskClient) -> None:
    (address,) = offered(services, "head-looks")
    assert [address] == offered(services, "head-effects")
    found = {row["statistic"]: row for row in csv_rows(client, address)}
    assert {"head_ablation", "direct_logit_attribution", "previous_token"} <= set(found)
    row, values = found["induction"], stored("induction")
    mine = values[:, 5, 0][np.isfinite(values[:, 5, 0])]
    numbers = {name: float(row[name]) for name in ("mean", "low", "high", "median", "least", "largest")}
    assert int(row["n"]) == len(mine) == N // 2
    assert [numbers[name] for name in ("mean", "median", "least", "largest")] == pytest.approx(
        [mine.mean(), np.median(mine), mine.min(), mine.max()]
    )
    half = 2.5706 * mine.std(ddof=1) / np.sqrt(len(mine))  # Student's: no end is nearer
    assert numbers["low"] <= mine.mean() - half + 1e-6
    assert numbers["high"] >= mine.mean() + half - 1e-6
    assert (row["model"], row["layer"], row["head"], row["labels"]) == ("tiny", "5", "0", "induction")
    above = int((np.nanmean(values, axis=0) > mine.mean()).sum())
    assert (row["place"], row["of_heads"]) == (str(above + 1), str(SHAPE[0] * SHAPE[1]))
    removed = np.stack([result.attributions[0].scores for result in results(ablated=True)])
    assert float(found["head_ablation"]["mean"]) == pytest.approx(removed[:, 5, 0].mean(), rel=1e-5)
    assert found["head_ablation"]["params"] == '{"kind": "zero"}'
    assert "bootstrap" in row["method"]


def test_head_runs_csv_has_every_run_with_its_value(services: Services, client: FlaskClient) -> None:
    (address,) = offered(services, "head-runs")
    found = [row for row in csv_rows(client, address) if row["statistic"] == "induction"]
    values = {f"The cat sat {i}": value for i, value in enumerate(stored("induction")[:, 5, 0])}
    assert len(found) == len({row["run_id"] for row in found}) == N
    for row in found:
        value = values[row["text"]]
        assert row["value"] == "" if np.isnan(value) else float(row["value"]) == pytest.approx(value)
        assert services.store.run(row["run_id"]).row.text == row["text"]
    assert {row["offensive"] for row in found} == {""}
    assert "sample" not in found[0]["method"]


def test_head_labels_csv_has_every_rule_with_what_was_measured(services: Services, client: FlaskClient) -> None:
    (address,) = offered(services, "head-labels")
    found = csv_rows(client, address)
    assert [row["label"] for row in found[:2]] == ["induction", "induction"]
    by = {(row["label"], row["statistic"]): row for row in found}
    row, values = by["induction", "induction"], stored("induction")[:, 5, 0]
    assert (row["holds"], row["asked"], row["threshold"], row["n"]) == ("yes", "above", "0.2", str(N // 2))
    assert float(row["mean"]) == pytest.approx(np.nanmean(values))
    assert 0.5 < float(row["low"]) < float(row["mean"]) < float(row["high"]) < 0.56
    assert by["previous token", "previous_token"]["holds"] == "no"
    missing = by["name mover", "ov_copying"]
    assert [missing[name] for name in ("holds", "n", "mean", "low", "high")] == ["not measured", "", "", "", ""]
    assert "whole 95 % interval" in row["method"]


def test_the_distributions_are_offered_as_pictures_and_what_is_not_measured_offers_nothing(services: Services) -> None:
    menu = head.SCOPED.content("head-spread", services, QUERY)[1]
    assert text_of([node for node in walk(menu) if type(node).__name__ == "Button"]) == "PNG SVG"
    seen = HeadQuery(model="tiny", head="5.0", experiment="seen")
    assert head.SCOPED.content("head-effects", services, seen)[1] is None
    for card in head.SCOPED.cards:
        assert head.SCOPED.content(card, services, HeadQuery(model="tiny", head="50.0", experiment="seen"))[1] is None


def test_the_card_among_all_heads_offers_the_same_file(services: Services, client: FlaskClient) -> None:
    query = HeadsQuery(experiment="removed", head="5.0")
    actions: Any = heads.SCOPED.content("heads-one", services, query)[1]
    (address,) = [link for link in hrefs(actions) if "csv" in link]
    assert csv_rows(client, address) == csv_rows(client, links.head_file("head.csv", QUERY))


def test_a_selection_is_kept(services: Services, client: FlaskClient) -> None:
    few = HeadQuery.from_query("?model=tiny&head=5.0&experiment=removed&experiment=none&f=text:ends_with:1")
    (address,) = offered(services, "head-runs", few)
    assert {row["text"] for row in csv_rows(client, address)} == {"The cat sat 1", "The cat sat 11"}


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ("", "names no head"),
        ("?model=tiny", "names no head"),
        ("?head=5.0", "names no head"),
        ("?model=tiny&head=x", "names no head"),
        ("?model=tiny&head=10.0&experiment=removed", "no head of tiny: say layer.head, from 0.0 to 9.2"),
        ("?model=tiny&head=5.0&size=3", "nothing was exported"),
        ("?model=tiny&head=5.0&offensive=maybe", "shown or covered"),
    ],
)
def test_an_address_that_names_no_head_is_refused(client: FlaskClient, search: str, said: str) -> None:
    answer = client.get(f"/api/v1/head/head-runs.csv{search}", headers=HOST)
    assert (answer.status_code, said in answer.json["error"]) == (400, True), answer.text


def test_nothing_measured_is_an_empty_file_and_an_unknown_table_is_said(client: FlaskClient, tmp_path: Path) -> None:
    for name in ("head.csv", "head-runs.csv", "head-labels.csv"):
        assert csv_rows(client, f"/api/v1/head/{name}?model=tiny&head=5.0&experiment=none") == []
    assert client.get("/api/v1/head/heads.csv?model=tiny&head=5.0", headers=HOST).status_code == 404
    with Store.open(str(tmp_path / "empty.duckdb")) as store:
        empty = create_app(Services(store)).server.test_client()
        assert csv_rows(empty, "/api/v1/head/head.csv?model=tiny&head=0.0") == []
