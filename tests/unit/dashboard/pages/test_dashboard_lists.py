"""What Overview and Runs show, and how many queries they need, over a real store."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dash import html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.analysis.errors import StorageError
from headscope.analysis.types import RunStatus
from headscope.dashboard.app import create_app
from headscope.dashboard.cards import guarded
from headscope.dashboard.pages.overview import cards as overview
from headscope.dashboard.pages.runs import cards as runs
from headscope.dashboard.pages.runs.page import Ids, layout, moved
from headscope.dashboard.pages.runs.query import RunsQuery
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.dashboard.status import first_command, store_label, store_state
from headscope.storage.repository import Store
from tests.factories import make_failure, make_info, make_prompt, make_result, make_set

HOST = {"Host": "127.0.0.1:8050"}
TEXTS = ("The cat sat on the mat", "50% of_it", "<img src=x onerror=alert(1)>", "漢字 🧭 and spaces", "a\nb")


class CountingStore:
    """Passes every call on and counts it."""

    def __init__(self, store: Store) -> None:
        self._store, self.calls = store, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if callable(value):
            self.calls[name] += 1
        return value


class BrokenStore:
    """A store that cannot be read."""

    url = "/data/broken.duckdb"

    def __getattr__(self, name: str) -> Any:
        def fail(*_args: Any, **_kwargs: Any) -> Any:
            raise StorageError("the file is damaged: restore it from a backup.")

        return fail


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Ten runs of two models in two experiments, two of them failed."""
    with Store.open(str(tmp_path_factory.mktemp("store") / "lists.duckdb")) as opened:
        for number, (experiment, model) in enumerate((("first", "tiny"), ("second", "tiny-2"))):
            prompts = [
                make_prompt(f"p{i}", text, tags=("even" if i % 2 == 0 else "odd",)) for i, text in enumerate(TEXTS)
            ]
            results = [make_result(prompt, seed=number * 10 + i) for i, prompt in enumerate(prompts[:-1])]
            results.append(make_failure(prompts[-1], seed=number))
            job = opened.start_job(experiment=experiment, model=model, spec={}, total=len(prompts))
            opened.save(job, make_info(model), make_set(*prompts, name=f"set-{number}"), ["saliency"], 0, results)
            opened.finish_job(job, RunStatus.SUCCEEDED)
        yield opened


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "empty.duckdb")) as opened:
        yield opened


@pytest.fixture
def counting(store: Store) -> CountingStore:
    return CountingStore(store)


@pytest.fixture
def services(counting: CountingStore) -> Services:
    return Services(counting)


def text_of(node: Any) -> str:
    if isinstance(node, Component):
        return text_of(getattr(node, "children", None))
    if isinstance(node, (list, tuple)):
        return " ".join(filter(None, map(text_of, node)))
    return "" if node is None else str(node)


def hrefs(node: Any) -> list[str]:
    if isinstance(node, (list, tuple)):
        return [href for child in node for href in hrefs(child)]
    if not isinstance(node, Component):
        return []
    own = [node.href] if getattr(node, "href", None) else []
    return own + hrefs(getattr(node, "children", None))


def request(**changes: Any) -> dict[str, Any]:
    return {"startRow": 0, "endRow": 100, "filterModel": {}, "sortModel": [], **changes}


# ---- overview ------------------------------------------------------------------------------------------------------


def test_overview_is_one_query(services: Services, counting: CountingStore) -> None:
    body, digest = overview.content(services, None)
    assert counting.calls == {"overview": 1}
    text = text_of(body)
    for expected in ("first", "second", "tiny", "set-0", "too_long", "the prompt cannot be used"):
        assert expected in text
    with pytest.raises(PreventUpdate):
        overview.content(services, digest)


def test_unfinished_jobs_are_shown_with_how_to_go_on(tmp_path: Path) -> None:
    url = str(tmp_path / "jobs.duckdb")
    with Store.open(url) as opened:
        assert "Jobs" not in text_of(html.Div(overview.content(Services(opened), None)[0]))
        job = opened.start_job(experiment="first", model="tiny", spec={}, total=9)
        at_work = text_of(html.Div(overview.content(Services(opened), None)[0]))
        assert "running" in at_work
        assert "--resume" not in at_work
        opened.finish_job(job, RunStatus.CANCELLED)
        stopped = text_of(html.Div(overview.content(Services(opened), None)[0]))
    assert "cancelled" in stopped
    assert "0 of 9" in stopped
    assert f"headscope run --resume {job} --store {url}" in stopped


def test_every_number_of_the_overview_is_what_its_link_lists(services: Services, store: Store) -> None:
    body, _ = overview.content(services, None)

    def check(node: Any) -> int:
        if isinstance(node, (list, tuple)):
            return sum(check(child) for child in node)
        if not isinstance(node, Component):
            return 0
        href, found = getattr(node, "href", "") or "", 0
        number = text_of(node).split()
        count = next((int(word) for word in reversed(number) if word.isdigit()), None)
        if href.startswith("/runs") and count is not None:
            where = RunsQuery.from_query(href.partition("?")[2]).where()
            assert store.runs_page(where, limit=1).total == count, href
            found = 1
        return found + check(getattr(node, "children", None))

    assert check(body) >= 10


def test_an_empty_store_says_what_to_type(empty: Store) -> None:
    body, _ = overview.content(Services(empty), None)
    assert first_command(empty.url) in text_of(body)
    assert "--prompts factual_recall --model smollm2-135m-instruct --experiment first --store" in text_of(body)


def test_a_broken_store_is_said_not_raised() -> None:
    broken: Any = Services(BrokenStore())  # type: ignore[arg-type]
    for part in (overview.content(broken, None)[0], store_state(broken), runs.facets(broken, RunsQuery())):
        assert "the file is damaged: restore it from a backup." in text_of(part)
    response, count, box = runs.block(broken, request(), RunsQuery())
    assert response == {"rowData": [], "rowCount": 0}
    assert count is None
    assert "Could not read the runs" in text_of(box)


# ---- runs ----------------------------------------------------------------------------------------------------------


def test_runs_are_one_query_for_rows_and_one_for_facets(services: Services, counting: CountingStore) -> None:
    response, count, box = runs.block(services, request(), RunsQuery())
    assert counting.calls == {"runs_page": 1}
    assert (response["rowCount"], count, box) == (10, "10 runs", None)
    runs.facets(services, RunsQuery())
    assert counting.calls == {"runs_page": 1, "facets": 1}
    store_state(services)
    assert counting.calls == {"runs_page": 2, "facets": 1}


def test_rows_are_plain_json_in_shown_units(services: Services, store: Store) -> None:
    response, _, _ = runs.block(services, request(), RunsQuery())
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
    response, _, _ = runs.block(services, request(filterModel=model), RunsQuery.from_query(query))
    assert response["rowCount"] == len(response["rowData"]) == expected


def test_a_shown_number_can_be_filtered_for(services: Services) -> None:
    response, _, _ = runs.block(services, request(), RunsQuery())
    shown = next(r["mean_surprisal"] for r in response["rowData"] if r["mean_surprisal"])
    model = {"mean_surprisal": {"filterType": "number", "type": "equals", "filter": round(shown, 2)}}
    found, _, _ = runs.block(services, request(filterModel=model), RunsQuery())
    assert shown in [r["mean_surprisal"] for r in found["rowData"]]


def test_blocks_continue_each_other(services: Services) -> None:
    sort = [{"colId": "mean_surprisal", "sort": "desc"}]
    whole, _, _ = runs.block(services, request(sortModel=sort), RunsQuery())
    parts = [
        runs.block(services, request(startRow=start, endRow=start + 4, sortModel=sort), RunsQuery())[0]["rowData"]
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
    response, _, box = runs.block(services, request(**bad), RunsQuery())
    assert response["rowCount"] == 0
    assert "Could not read the runs" in text_of(box)


def test_no_match_and_no_runs_are_two_things(services: Services, empty: Store) -> None:
    _, count, box = runs.block(services, request(), RunsQuery(q="nothing like it"))
    assert count == "0 runs match"
    assert "No run matches" in text_of(box)
    _, _, box = runs.block(Services(empty), request(), RunsQuery())
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


def test_one_card_fails_alone() -> None:
    @guarded("draw the figure")
    def known() -> Any:
        raise StorageError("the artifact is missing: run it again.")

    @guarded("draw the figure")
    def fault() -> Any:
        raise KeyError("layer")

    @guarded("draw the figure")
    def fine() -> Any:
        return html.P("drawn")

    assert text_of(known()) == "Could not draw the figure the artifact is missing: run it again."
    assert "This is a fault in Headscope" in text_of(fault())
    assert text_of(fine()) == "drawn"


def test_guarded_lets_dash_skip_an_update() -> None:
    @guarded("update")
    def skip() -> Any:
        raise PreventUpdate

    with pytest.raises(PreventUpdate):
        skip()


def test_texts_are_never_markup(services: Services) -> None:
    """Prompts reach the page as text nodes and JSON strings only."""
    body, _ = overview.content(services, None)
    kinds = {type(node).__name__ for node in walk(body)}
    assert kinds.isdisjoint({"Markdown", "DangerouslySetInnerHTML"})
    grid = next(node for node in walk(layout()) if type(node).__name__ == "AgGrid")
    assert grid.dangerously_allow_code is False
    assert "markdown" not in json.dumps(grid.columnDefs)


def walk(node: Any) -> Iterator[Component]:
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from walk(child)
    elif isinstance(node, Component):
        yield node
        yield from walk(getattr(node, "children", None))


def test_a_store_is_named_without_its_password(tmp_path: Path) -> None:
    assert store_label(str(tmp_path / "a.duckdb")) == ("DuckDB", "a.duckdb")
    url = "postgresql://ada:secret@db.example/runs?sslmode=require"
    assert store_label(url) == ("PostgreSQL", "runs")
    assert "secret" not in first_command(url)
