"""What leads out of the Methods page: links, SQL, downloads."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given, settings

from headscope.dashboard.app import create_app
from headscope.dashboard.pages.heads.query import HeadsQuery
from headscope.dashboard.pages.methods import sql
from headscope.dashboard.pages.methods.comparison import Comparisons
from headscope.dashboard.pages.methods.page import CARDS
from headscope.dashboard.pages.methods.query import MethodsQuery, ids_sql
from headscope.dashboard.pages.runs.query import RunsQuery
from headscope.dashboard.pages.runs.view import charted, toolbar
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.storage.repository import Store
from headscope.storage.sql import readonly
from tests.methods_page import COMPARED, HOST, ONE_MODEL, bar, downloaded, shown
from tests.page_parts import hrefs, text_of
from tests.runs_queries import QUERIES


@pytest.mark.parametrize(("unconverged", "n"), [(False, 4), (True, 6)])
def test_downloads_and_sql_leave_out_what_did_not_converge(store: Store, unconverged: bool, n: int) -> None:
    query = MethodsQuery(experiment="unsure", method="cp_lrp", unconverged=unconverged)
    (found,) = [row for row in downloaded(store, "leaderboard", query) if row["method"] == "cp_lrp"]
    assert (found["n"], found["n_not_converged"], found["n_receipts"]) == ("6", "2", str(n))
    assert (found["unsure_share"], found["n_tested"]) == (str(2 / 6), "6")
    pairs = {(row["method_a"], row["method_b"]): row for row in downloaded(store, "agreement", query)}
    pair = pairs["attn_lrp", "cp_lrp"]
    assert (pair["tau_n"], pair["not_converged_a"], pair["not_converged_b"]) == (str(n), "0", "2")
    said = [row["not_converged"] for row in downloaded(store, "disputes", query)]
    assert sorted(said) == [*[""] * 4, *["cp_lrp"] * 2]
    told = [row["converged"] for row in downloaded(store, "receipts", query)]
    assert sorted(told) == [*["False"] * (n - 4), *["True"] * 4]
    assert readonly.run(store.url, sql.receipts(query)).table.num_rows == n
    board = {row["method"]: row for row in readonly.run(store.url, sql.board(query)).table.to_pylist()}["cp_lrp"]
    assert (board["n"], board["left_out"]) == (n, 6 - n)
    assert board["not_converged"] == pytest.approx(2 / 6)
    for name, column in (
        ("gain_over_random", "over_random"),
        ("gain_over_recency", "over_recency"),
        ("median_seconds", "seconds"),
    ):
        assert board[name] == pytest.approx(float(found[column])), name


@settings(deadline=None)
@given(QUERIES)
def test_a_link_of_the_runs_page_says_the_same_here(query: RunsQuery) -> None:
    for kind in (MethodsQuery, HeadsQuery):
        here = kind.from_query(charted(query))
        assert (here.notes, here.selection().narrowing()) == ((), query.narrowing())
        assert kind.from_query(here.to_query()) == here
        back = RunsQuery.from_query(here.runs().partition("?")[2])
        assert back == RunsQuery(**{**query.narrowing(), "status": query.status or ("succeeded",)})
        if query.is_filtered:
            assert kind.from_query(here.selecting(here.selection()).to_query()) == here


def test_the_runs_page_leads_here_with_what_narrows_it(services: Services) -> None:
    narrowed = RunsQuery(model=("tiny", "other"), f=("prompt_key:eq:p3",), sort=("-margin",))
    for query, wanted in ((narrowed, narrowed.where()), (RunsQuery(), RunsQuery(status=("succeeded",)).where())):
        for path, kind in (("/methods", MethodsQuery), ("/heads", HeadsQuery)):
            address = next(href for href in hrefs(toolbar(query)) if href.startswith(path))
            here = kind.from_query(address.partition("?")[2])
            assert (here.chosen, here.where()) == (True, wanted)


def test_a_selection_is_counted_said_in_chips_and_downloaded(store: Store, services: Services) -> None:
    """The filter leaves those of `compared` that `tiny` has of the set `stories`."""
    query = MethodsQuery.from_query("?experiment=compared&experiment=none&model=tiny&f=prompt_set:eq:stories&q=case")
    same = MethodsQuery(experiment="compared", model="tiny", prompt_set="stories")
    for id_ in CARDS:
        one, other = (text_of(shown(services, replace(each, method="attn_lrp"), id_)[0]).partition("SELECT")[0]
                      .partition("WITH found")[0] for each in (query, same))  # fmt: skip
        assert one == other != ""
    for name in ("leaderboard", "agreement", "disputes", "receipts"):
        assert downloaded(store, name, query) == downloaded(store, name, same) != []
    assert readonly.run(store.url, sql.board(query, ids_sql(store, query))).table.equals(
        readonly.run(store.url, sql.board(same)).table
    )
    found = bar(store, query)
    for part in ("Search “case”", "Experiment: none", "Model: tiny", "Prompt set is stories"):
        assert part in text_of(found)
    without = query.selecting(query.selection().without("q", "f"))
    assert without.link() == "/methods?model=tiny&experiment=compared&experiment=none"
    assert {query.selecting(query.selection().without("q")).link(), query.link(experiment="compared"),
            "/methods", query.runs()} < set(hrefs(found))  # fmt: skip
    nothing = replace(query, narrowed=replace(query.narrowed, q="no such text"))
    assert "No run matches" in text_of(bar(store, nothing))
    assert all(shown(services, nothing, id_)[0] is None for id_ in CARDS)


def test_of_very_many_selected_runs_the_newest_are_counted(
    store: Store, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headscope.dashboard.pages.methods.query.MOST", 7)
    query = MethodsQuery.from_query("?status=succeeded")
    total = store.runs_page(query.where(), limit=1).total
    said = f"Of {total} runs only the newest 7 that have attributions are counted."
    assert said in text_of(bar(store, query))
    client = create_app(Services(store)).server.test_client()
    for name in ("leaderboard", "agreement", "disputes", "receipts"):
        for asked, told in ((query, said), (ONE_MODEL, "")):
            response = client.get(f"/api/v1/methods/{name}.csv{asked.to_query()}", headers=HOST)
            found = {row["left_out"] for row in csv.DictReader(io.StringIO(response.text))}
            assert found == {told}, (name, told)
    assert {row["n"] for row in downloaded(store, "leaderboard", query)} == {"7"}  # not `silent`, saved just before


def test_every_link_of_the_page_is_understood(services: Services) -> None:
    query = replace(COMPARED, method="saliency", measure="signs", by="set", hide=("cp_lrp",), pair="attn_lrp,saliency")
    found = [link for id_ in CARDS for link in hrefs(shown(services, query, id_))]
    found += hrefs(bar(services.store, query))
    assert len(found) > 60
    for link in found:
        search = link.partition("#")[0].partition("?")[2]
        if link.startswith("/methods"):
            assert MethodsQuery.from_query(search).notes == (), link
        elif link.startswith("/runs"):
            assert services.store.runs_page(RunsQuery.from_query(search).where(), limit=1).total > 0, link


def test_the_sql_gives_the_same_numbers(store: Store) -> None:
    query = replace(ONE_MODEL, method="attn_lrp")
    rows = readonly.run(store.url, sql.board(query)).table.to_pylist()
    board = {row.method: row for row in store.method_stats(query.where()) if row.n_receipts}
    assert [row["method"] for row in rows] == list(board)
    for row in rows:
        of_page = board[row["method"]]
        assert row["n"] == of_page.n_receipts
        assert row["gain_over_random"] == pytest.approx(of_page.over_random, rel=1e-12)  # added up in another order
    found = readonly.run(store.url, sql.receipts(query)).table.column("run_id").to_pylist()
    assert list(map(str, found)) == [row.run_id for row in store.receipts(query.where(), "attn_lrp")]
    assert readonly.run(store.url, sql.scores(query)).table.num_rows > 24 * 4 * 8
    assert "experiment = 'it''s'" in sql.board(MethodsQuery(experiment="it's"))
    assert readonly.run(store.url, sql.board(MethodsQuery())).table.num_rows > 0


@pytest.mark.parametrize("name", ["leaderboard", "agreement", "disputes", "receipts"])
def test_downloads(store: Store, name: str) -> None:
    client = create_app(Services(store)).server.test_client()
    response = client.get(f"/api/v1/methods/{name}.csv{ONE_MODEL.to_query()}", headers=HOST)
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert f"headscope-methods-{name}.csv" in response.headers["Content-Disposition"]
    comparison = Comparisons(store).of(ONE_MODEL)
    expected = {
        "leaderboard": 6,
        "agreement": 10,
        "disputes": 24,
        "receipts": len(store.receipts(ONE_MODEL.where(), limit=999)),
    }
    assert len(rows) == expected[name]
    assert "nan" not in response.text
    if name == "agreement":
        row = next(row for row in rows if row["method_a"] == "saliency" and row["method_b"] == "attn_lrp")
        assert float(row["tau_mean"]) == comparison.tau.mean[0, 3]
        assert row["signs_mean"] == ""
    if name == "leaderboard":
        assert rows[0]["method"] == "attn_lrp"
        for name in ("over_random", "over_recency"):
            assert float(rows[0][f"{name}_low"]) < float(rows[0][name]) < float(rows[0][f"{name}_high"])
        assert rows[-1]["over_random"] == ""


def test_a_file_of_some_of_the_rows_says_so_in_each(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headscope.dashboard.pages.methods.comparison.MAX_RUNS", 5)
    client = create_app(Services(store, settings=Settings(max_export_rows=3))).server.test_client()
    said = {"agreement": "A fixed random sample: 5 of ", "disputes": "A fixed random sample: 5 of ",
            "receipts": "Only the 3 receipts with the least gain"}  # fmt: skip
    for name, told in said.items():
        response = client.get(f"/api/v1/methods/{name}.csv{ONE_MODEL.to_query()}", headers=HOST)
        rows = list(csv.DictReader(io.StringIO(response.text)))
        assert rows
        assert all(row["left_out"].startswith(told) for row in rows), name


def test_downloads_refuse_what_they_do_not_understand(store: Store) -> None:
    client = create_app(Services(store)).server.test_client()
    assert client.get("/api/v1/methods/nothing.csv", headers=HOST).status_code == 404
    assert client.get("/api/v1/methods/leaderboard.csv?experiment=compared&k=none", headers=HOST).status_code == 400
