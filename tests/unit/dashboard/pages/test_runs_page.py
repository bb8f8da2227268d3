"""Runs without a browser: rows, filters, facets, export."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headscope.dashboard.app import create_app
from headscope.dashboard.pages.overview import cards as overview
from headscope.dashboard.pages.runs import cards as runs
from headscope.dashboard.pages.runs.page import Ids, layout, moved
from headscope.dashboard.pages.runs.query import RunsQuery
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.dashboard.status import store_state
from headscope.storage.repository import Store
from tests.factories import make_failure, make_info, make_prompt, make_set
from tests.page_parts import CountingStore, grid_request, hrefs, text_of, walk

HOST = {"Host": "127.0.0.1:8050"}


# ---- overview ------------------------------------------------------------------------------------------------------


def test_runs_are_a_query_for_rows_one_for_covers_and_one_for_facets(
    services: Services, counting: CountingStore
) -> None:
    response, count, box = runs.block(services, grid_request(), RunsQuery())
    assert counting.calls == {"runs_page": 1, "offensive": 1}
    assert (response["rowCount"], count, box) == (10, "10 runs", None)
    runs.facets(services, RunsQuery())
    assert counting.calls == {"runs_page": 1, "offensive": 1, "facets": 1}
    store_state(services)
    assert counting.calls == {"runs_page": 1, "offensive": 1, "facets": 1, "count": 1}


def test_rows_are_plain_json_in_shown_units(services: Services, store: Store) -> None:
    response, _, _ = runs.block(services, grid_request(), RunsQuery())
    assert json.loads(json.dumps(response, allow_nan=False)) == response
    row = next(r for r in response["rowData"] if r["status"] == "succeeded")
    assert row["mean_surprisal"] * 0.6931471805599453 == pytest.approx(store.runs([row["id"]])[0].mean_surprisal)
    failed = next(r for r in response["rowData"] if r["status"] == "failed")
    assert failed["n_tokens"] is failed["mean_surprisal"] is None
    assert "too_long" in failed["error"]


@pytest.mark.parametrize(
    ("query", "model", "expected"),
    [
        ("", {}, 10),
        ("?q=cat", {}, 2),
        ("?q=50%25", {}, 2),
        ("?model=tiny", {}, 5),
        ("?model=tiny&status=failed", {}, 1),
        ("?tag=odd&tag=even", {}, 10),
        ("?tag=odd", {}, 4),
        ("?error_kind=too_long", {}, 2),
        ("?error_kind=", {}, 8),
        ("?experiment=first&q=cat", {}, 1),
        ("", {"text": {"filterType": "text", "type": "startsWith", "filter": "the CAT"}}, 2),
        ("", {"text": {"filterType": "text", "type": "contains", "filter": "0% of_"}}, 2),
        ("", {"n_tokens": {"filterType": "number", "type": "blank"}}, 2),
        ("", {"n_tokens": {"filterType": "number", "type": "greaterThan", "filter": 5}}, 4),
        ("?model=tiny", {"status": {"filterType": "text", "type": "equals", "filter": "succeeded"}}, 4),
        ("", {"created_at": {"filterType": "date", "type": "lessThan", "dateFrom": "2000-01-01 00:00:00"}}, 0),
        ("", {"created_at": {"filterType": "date", "type": "greaterThan", "dateFrom": "2000-01-01 00:00:00"}}, 10),
        ("?q=%3Cimg", {}, 2),
    ],
)
def test_link_and_grid_filters_count_alike(
    services: Services, query: str, model: dict[str, Any], expected: int
) -> None:
    response, _, _ = runs.block(services, grid_request(filterModel=model), RunsQuery.from_query(query))
    assert response["rowCount"] == len(response["rowData"]) == expected


def test_a_shown_number_can_be_filtered_for(services: Services) -> None:
    response, _, _ = runs.block(services, grid_request(), RunsQuery())
    shown = next(r["mean_surprisal"] for r in response["rowData"] if r["mean_surprisal"])
    model = {"mean_surprisal": {"filterType": "number", "type": "equals", "filter": round(shown, 2)}}
    found, _, _ = runs.block(services, grid_request(filterModel=model), RunsQuery())
    assert shown in [r["mean_surprisal"] for r in found["rowData"]]


def test_blocks_continue_each_other(services: Services) -> None:
    sort = [{"colId": "mean_surprisal", "sort": "desc"}]
    whole, _, _ = runs.block(services, grid_request(sortModel=sort), RunsQuery())
    parts = [
        runs.block(services, grid_request(startRow=start, endRow=start + 4, sortModel=sort), RunsQuery())[0]["rowData"]
        for start in (0, 4, 8)
    ]
    assert [r["id"] for part in parts for r in part] == [r["id"] for r in whole["rowData"]]


@pytest.mark.parametrize(
    "bad",
    [
        {"filterModel": {"password": {"filterType": "text", "type": "contains", "filter": "x"}}},
        {"sortModel": [{"colId": "1; drop table runs", "sort": "asc"}]},
        {"startRow": "x"},
    ],
)
def test_a_bad_request_is_answered_in_the_grid(services: Services, bad: dict[str, Any]) -> None:
    response, _, box = runs.block(services, grid_request(**bad), RunsQuery())
    assert response["rowCount"] == 0
    assert "Could not read the runs" in text_of(box)


def test_no_match_and_no_runs_are_two_things(services: Services, empty: Store) -> None:
    _, count, box = runs.block(services, grid_request(), RunsQuery(q="nothing like it"))
    assert count == "0 runs match"
    assert "No run matches" in text_of(box)
    _, _, box = runs.block(Services(empty), grid_request(), RunsQuery())
    assert "No runs yet" in text_of(box)


def test_facets_react_to_each_other_and_lead_to_lists_of_their_size(services: Services, store: Store) -> None:
    panel = runs.facets(services, RunsQuery(model=("tiny",)))
    text = text_of(panel)
    assert "tiny-2" in text
    assert "second" not in text
    on = [href for href in hrefs(panel) if "status=failed" in href]
    assert store.runs_page(RunsQuery.from_query(on[0].partition("?")[2]).where(), limit=1).total == 1


def test_only_what_changed_is_put_into_the_link() -> None:
    sort = {"filterModel": {}, "sortModel": [{"colId": "n_tokens", "sort": "desc"}]}
    assert moved({Ids.REPORTED}, sort, "typed", ["a"]) == {
        "keys": ["f", "sort", "cols"],
        "query": "?sort=-n_tokens",
    }
    assert moved({Ids.TYPED}, sort, " typed ", ["a"]) == {"keys": ["q"], "query": "?q=typed"}
    assert moved({Ids.SELECTED}, sort, "", ["a", "b"]) == {"keys": ["sel"], "query": "?sel=a&sel=b"}
    assert moved({Ids.TYPED}, {}, "", ()) == {"keys": ["q"], "query": ""}


# ---- export --------------------------------------------------------------------------------------------------------


def test_export_follows_the_link(services: Services, store: Store) -> None:
    client = create_app(services).server.test_client()
    response = client.get("/api/v1/runs/export.csv?model=tiny&sort=-n_tokens", headers=HOST)
    assert response.headers["Content-Disposition"] == 'attachment; filename="headscope-runs.csv"'
    read = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert len(read) == 5
    assert {row["model"] for row in read} == {"tiny"}
    chosen = [read[3]["id"], read[0]["id"]]
    response = client.get(f"/api/v1/runs/export.json?sel={chosen[0]}&sel={chosen[1]}", headers=HOST)
    assert [row["id"] for row in response.get_json()] == chosen


def test_a_column_that_says_the_same_in_every_row_is_hidden_and_says_so(services: Services, tmp_path: Path) -> None:
    two_models = runs.constants(services)
    assert two_models == {}
    with Store.open(str(tmp_path / "one.duckdb")) as store:
        prompts = [replace(make_prompt(f"p{i}", f"text {i}"), target=None) for i in range(3)]
        job = store.start_job(experiment="e", model="tiny", spec={}, total=3)
        results = [make_failure(prompt) for prompt in prompts]
        store.save(job, make_info("tiny"), make_set(*prompts), [], 0, results)
        same = runs.constants(Services(store))
    assert same == {"model": "tiny", "target": "none", "target_rank": "none", "margin": "none"}
    state = runs.list_state(RunsQuery(), same)
    assert {"model", "target", "margin"}.isdisjoint(state["columns"])
    assert "next_token" in state["columns"]
    assert state["columns"] == state["default"]
    asked = runs.list_state(RunsQuery(cols=("model", "text")), same)
    assert asked["columns"] == ["model", "text"]


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("export.xlsx", 404, "the valid names are csv, json, parquet"),
        ("export.csv?colour=red", 400, "nothing was exported"),
        ("export.csv?f=password:eq:1", 400, "there is no column"),
    ],
)
def test_export_refuses_rather_than_guesses(services: Services, path: str, status: int, message: str) -> None:
    response = create_app(services).server.test_client().get(f"/api/v1/runs/{path}", headers=HOST)
    assert response.status_code == status
    assert message in response.get_json()["error"]


def test_export_has_a_bound(store: Store) -> None:
    client = create_app(Services(store, settings=Settings(max_export_rows=9))).server.test_client()
    response = client.get("/api/v1/runs/export.csv", headers=HOST)
    assert response.status_code == 400
    assert "10 runs match" in response.get_json()["error"]
    assert client.get("/api/v1/runs/export.csv?model=tiny", headers=HOST).status_code == 200


# ---- cards ---------------------------------------------------------------------------------------------------------


def test_texts_are_never_markup(services: Services) -> None:
    """Prompts reach the page as text nodes and JSON strings only."""
    body, _ = overview.content(services, None)
    kinds = {type(node).__name__ for node in walk(body)}
    assert kinds.isdisjoint({"Markdown", "DangerouslySetInnerHTML"})
    grid = next(node for node in walk(layout()) if type(node).__name__ == "AgGrid")
    assert grid.dangerously_allow_code is False
    assert "markdown" not in json.dumps(grid.columnDefs)
