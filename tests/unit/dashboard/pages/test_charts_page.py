"""The Charts page without a browser: every kind, where its parts lead, its file, and the states without a chart."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headscope.analysis.types import Prompt
from headscope.dashboard.app import create_app
from headscope.dashboard.pages.charts import cards, view
from headscope.dashboard.pages.charts import query as charts_query
from headscope.dashboard.pages.charts.drawn import draw
from headscope.dashboard.pages.charts.query import BY, KINDS, ChartsQuery
from headscope.dashboard.pages.runs.query import RunsQuery
from headscope.dashboard.pages.runs.view import toolbar
from headscope.dashboard.services import Services
from headscope.storage.read.charts import REACH
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter
from headscope.storage.rows.charts import CHART_COLUMNS
from headscope.storage.rows.filters import PARTS
from tests.factories import make_failure, make_info, make_result, make_set
from tests.page_parts import BrokenStore, hrefs, text_of, walk

N = 24
HOST = {"Host": "127.0.0.1:8050"}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    prompts = [Prompt(f"p{i}", f"Text {i} is", " and", " but", ("old", "young", None)[i % 3]) for i in range(N)]
    results = [replace(make_result(p, seed=i), seconds=0.5) for i, p in enumerate(prompts)]
    prompts.append(Prompt("failed", "Not measured"))
    results.append(make_failure(prompts[-1]))
    with Store.open(str(tmp_path_factory.mktemp("charts") / "store.duckdb")) as store:
        job = store.start_job(experiment="demo", model="tiny", spec={}, total=len(results))
        store.save(job, make_info("tiny"), make_set(*prompts), ["layers"], 0, results)
        yield Services(store)


def words(services: Services, **state: Any) -> str:
    return " ".join(text_of(cards.chart(services, ChartsQuery(**state))).split())


def matching(services: Services, href: str) -> int:
    return services.store.runs_page(RunsQuery.from_query(href.partition("?")[2]).where(), limit=1).total


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", BY)
def test_every_kind_is_drawn_by_everything(services: Services, kind: str, by: str) -> None:
    body = cards.chart(services, ChartsQuery(kind=kind, by=by))
    assert "Could not" not in text_of(body)
    assert [part for part in walk(body) if getattr(part, "id", "") == view.Ids.GRAPH]
    assert f" {N} " in " ".join(text_of(body).split()) or by in ("group", "status")


@pytest.mark.parametrize("x", CHART_COLUMNS)
@pytest.mark.parametrize("kind", ["histogram", "ecdf"])
def test_a_part_leads_to_as_many_runs_as_it_stands_for(services: Services, x: str, kind: str) -> None:
    drawn = draw(services.store, ChartsQuery(kind=kind, x=x, by="group"))
    assert len(drawn.hrefs) == len(drawn.rows) > 0
    for href, row in zip(drawn.hrefs, drawn.rows, strict=True):
        runs: Any = row["runs"]
        share: Any = row.get("share_up_to", 1)
        if share > 0:  # where a curve starts nothing is below
            assert matching(services, href) == round(runs * share), href


def test_a_box_and_a_row_lead_to_the_runs_of_their_series(services: Services) -> None:
    drawn = draw(services.store, ChartsQuery(kind="box", by="group", f=("n_tokens:ge:1",)))
    assert [matching(services, href) for href in drawn.hrefs] == [row["runs"] for row in drawn.rows] == [8, 8, 8]
    query = ChartsQuery(by="model", q="Text", model=("tiny", "other"))
    body = cards.chart(services, query)
    assert "/runs?q=Text&model=tiny" in hrefs(body)


def test_the_runs_page_leads_here_with_what_narrows_it() -> None:
    query = RunsQuery(q="cat", model=("tiny",), f=("n_tokens:ge:3",), sort=("-margin",), sel=("x",), cols=("text",))
    address = next(href for href in hrefs(toolbar(query)) if href.startswith("/charts"))
    here = ChartsQuery.from_query(address.partition("?")[2])
    assert (here.where(), here.notes) == (query.where(), ())
    assert here == ChartsQuery(q="cat", model=("tiny",), f=("n_tokens:ge:3",))
    assert RunsQuery.from_query(here.runs().partition("?")[2]).where() == query.where()


def test_a_link_that_says_nonsense_is_noted() -> None:
    found = ChartsQuery.from_query("?x=text&kind=pie&f=nothing:eq:1&logx=maybe")
    assert found == ChartsQuery()
    assert len(found.notes) == 4


def test_empty_unmeasured_one_value_and_failed_look_different(services: Services, tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "empty.duckdb")) as empty:
        assert "No runs yet" in words(Services(empty))
    assert "No run matches" in words(services, q="nothing like it")
    unmeasured = words(services, status=("failed",))
    assert "Nothing measured" in unmeasured
    assert "1 run here" in unmeasured
    assert f"All {N} measured runs have the same Time: 0.5 s" in words(services, x="seconds", status=("succeeded",))
    assert "Nothing is above 0" in words(services, x="target_logprob", logx=True)
    assert "Could not draw the chart" in words(Services(BrokenStore()))  # type: ignore[arg-type]


def test_the_table_says_what_is_missing_and_its_warrant(services: Services) -> None:
    said = words(services, kind="scatter", x="n_tokens", y="mean_surprisal")
    for part in ("Pearson", "Spearman", f"{N} of {N}", "Unmeasured", "of Student's and Hall's", "Fisher"):
        assert part in said


def test_the_file_holds_what_is_drawn_with_its_method(services: Services) -> None:
    client = create_app(services).server.test_client()
    lines = list(csv.DictReader(io.StringIO(client.get("/api/v1/charts/chart.csv?by=group", headers=HOST).text)))
    assert sum(int(line["runs"]) for line in lines) == N
    assert "counted by the database" in lines[0]["method"]
    assert lines[0]["unit"] == "bits"
    points = client.get("/api/v1/charts/chart.csv?kind=scatter", headers=HOST).text
    rows = list(csv.DictReader(io.StringIO(points)))
    runs = {row.id: row for row in services.store.runs([row["run_id"] for row in rows])}
    for row in rows:
        stored = runs[row["run_id"]].mean_surprisal
        assert stored is not None
        assert float(row["mean_surprisal"]) == pytest.approx(stored / np.log(2))
    assert client.get("/api/v1/charts/chart.csv?x=text", headers=HOST).status_code == 400


def test_of_very_many_runs_a_part_is_counted_and_said_and_the_file_counts_all(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts_query, "DRAWN", 10)
    monkeypatch.setitem(REACH, "duckdb", N)
    monkeypatch.setattr(charts_query, "FEW", 1)
    share = PARTS * 10 // (N + 1)
    drawn = [row for row in services.store.runs_page(RunFilter(), limit=N + 1).rows if int(row.id[-3:], 16) < share]
    measured = sum(row.mean_surprisal is not None for row in drawn)
    said = words(services)
    assert f"about 10 of {N + 1} runs are counted here" in said
    assert f"all runs {measured} {len(drawn) - measured}" in said
    assert sum(row["runs"] for row in draw(services.store, ChartsQuery()).rows) == N
    monkeypatch.setattr(charts_query, "FEW", N)
    assert "are counted here" not in words(services)


def test_where_few_of_a_part_are_measured_a_larger_one_is_counted(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REACH, "duckdb", N // 2)
    monkeypatch.setattr(charts_query, "DRAWN", 2)
    query = ChartsQuery()
    of = charts_query.counted(services.store, query)
    monkeypatch.setattr(charts_query, "FEW", 3)
    ask = partial(charts_query.enough, services.store, query, of)
    assert ask("mean_surprisal", 3) is of
    more = ask("mean_surprisal", 2)
    assert more.where.sample == math.ceil(PARTS * 1.2 * 3 / N)
    assert 0 < of.where.sample < more.where.sample
    monkeypatch.setattr(charts_query, "FEW", N)
    assert ask("mean_surprisal", 2).whole


def test_what_no_run_has_is_looked_for_in_all_of_them(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REACH, "duckdb", N // 2)
    monkeypatch.setattr(charts_query, "DRAWN", 2)
    failed = ChartsQuery(status=("failed",))
    of = replace(charts_query.counted(services.store, ChartsQuery()), where=replace(failed.where(), sample=1))
    assert charts_query.enough(services.store, failed, of, "mean_surprisal", 0) is of
