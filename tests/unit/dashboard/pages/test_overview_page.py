"""Overview without a browser; and cards that fail, on any page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dash import html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.analysis.errors import StorageError
from headscope.analysis.types import RunStatus
from headscope.dashboard.cards import guarded
from headscope.dashboard.pages.overview import cards as overview
from headscope.dashboard.pages.runs import cards as runs
from headscope.dashboard.pages.runs.query import RunsQuery
from headscope.dashboard.services import Services
from headscope.dashboard.status import first_command, store_label, store_state
from headscope.storage.repository import Store
from tests.page_parts import BrokenStore, CountingStore, grid_request, text_of

HOST = {"Host": "127.0.0.1:8050"}


def test_overview_is_one_query_and_one_for_what_is_covered(services: Services, counting: CountingStore) -> None:
    body, digest = overview.content(services, None)
    assert counting.calls == {"overview": 1, "offensive": 1}
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
    response, count, box = runs.block(broken, grid_request(), RunsQuery())
    assert response == {"rowData": [], "rowCount": 0}
    assert count is None
    assert "Could not read the runs" in text_of(box)


# ---- runs ----------------------------------------------------------------------------------------------------------


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


def test_a_store_is_named_without_its_password(tmp_path: Path) -> None:
    assert store_label(str(tmp_path / "a.duckdb")) == ("DuckDB", "a.duckdb")
    url = "postgresql://ada:secret@db.example/runs?sslmode=require"
    assert store_label(url) == ("PostgreSQL", "runs")
    assert "secret" not in first_command(url)
