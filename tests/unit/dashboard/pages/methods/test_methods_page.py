"""The Methods page without a browser: its numbers, its states, its links, its downloads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.statistics.agreement import agreement
from headscope.analysis.statistics.intervals import bootstrap_means, wilson
from headscope.analysis.types import RunResult
from headscope.analysis.types.outcome import Outcome
from headscope.analysis.types.receipts import Verdict
from headscope.dashboard.app import create_app
from headscope.dashboard.link_state import parse_query
from headscope.dashboard.numbers import interval, signed
from headscope.dashboard.pages.methods import sql
from headscope.dashboard.pages.methods.cards import LISTED, content
from headscope.dashboard.pages.methods.comparison import Comparisons, disputes
from headscope.dashboard.pages.methods.gains import Gain, Scale, intervals, of, scale
from headscope.dashboard.pages.methods.page import CARDS, PURPOSE, Ids
from headscope.dashboard.pages.methods.query import MethodsQuery, label
from headscope.dashboard.pages.methods.verdicts import WORDS
from headscope.dashboard.pages.runs.query import RunsQuery
from headscope.dashboard.scoped.bar import scope_bar
from headscope.dashboard.services import Services
from headscope.dashboard.units import percents
from headscope.dashboard.verdicts import UNCOMPARED
from headscope.storage.repository import Store
from headscope.storage.sql import readonly
from tests import method_runs
from tests.factories import NAN, make_receipt
from tests.page_parts import BrokenStore, CountingStore, hrefs, text_of

HOST = {"Host": "127.0.0.1:8050"}
COMPARED = MethodsQuery(experiment="compared")
ONE_MODEL = replace(COMPARED, model="tiny", prompt_set="facts")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "methods.duckdb")) as opened:
        method_runs.fill(opened)
        method_runs.save(opened, "unsure", unsure_results())
        yield opened


def unsure_results() -> list[RunResult]:
    """Six runs; CP-LRP did not converge on two of them, AttnLRP says on all that it did, the others say nothing."""
    made = method_runs.results(6, seed=500)
    said = [{"cp_lrp": index >= 2, "attn_lrp": True} for index in range(len(made))]
    return [
        replace(result, attributions=tuple(
            replace(item, outcome=Outcome(words[item.method])) if item.method in words else item
            for item in result.attributions))
        for result, words in zip(made, said, strict=True)
    ]  # fmt: skip


@pytest.fixture
def services(store: Store) -> Services:
    return Services(store)


def shown(services: Services, query: MethodsQuery, id_: Ids) -> tuple[Any, Any]:
    return content(CARDS[id_].view, services, Comparisons(services.store), query)


def words(services: Services, query: MethodsQuery, id_: Ids) -> str:
    return text_of(shown(services, query, id_)[0])


def downloaded(store: Store, name: str, query: MethodsQuery) -> list[dict[str, str]]:
    client = create_app(Services(store)).server.test_client()
    answer = client.get(f"/api/v1/methods/{name}.csv{query.to_query()}", headers=HOST)
    return list(csv.DictReader(io.StringIO(answer.text)))


def bar(store: Any, query: MethodsQuery) -> Any:
    return scope_bar(store, query, PURPOSE)


# ---- numbers -------------------------------------------------------------------------------------------------------


def test_a_comparison_is_the_mean_over_prompts_of_what_scipy_says(services: Services) -> None:
    comparison = Comparisons(services.store).of(ONE_MODEL)
    assert (len(comparison.runs), comparison.total) == (24, 24)
    assert comparison.methods == ("saliency", "input_x_gradient", "integrated_gradients", "attn_lrp", "cp_lrp")
    a, b = comparison.index(["attn_lrp", "integrated_gradients"])
    expected = []
    for run in comparison.runs:
        if "integrated_gradients" in run.scores:
            one, other = run.scores["attn_lrp"], run.scores["integrated_gradients"]
            both = np.isfinite(one) & np.isfinite(other)
            expected.append(stats.kendalltau(np.abs(one[both]), np.abs(other[both])).statistic)
    assert 0 < len(expected) < 24
    assert comparison.tau.n[a, b] == len(expected)
    assert comparison.tau.mean[a, b] == pytest.approx(np.mean(expected))
    assert comparison.tau.low[a, b] < np.mean(expected) < comparison.tau.high[a, b]
    assert np.isnan(comparison.signs.mean[0]).all()  # saliency has no signs


def test_methods_that_see_through_less_noise_agree_more(services: Services) -> None:
    comparison = Comparisons(services.store).of(ONE_MODEL)
    saliency, gradient, _, attn, cp = range(5)
    for name in ("tau", "overlap"):
        mean = comparison.measure(name).mean
        assert mean[attn, cp] > mean[attn, gradient] > mean[attn, saliency]


def test_a_comparison_is_worked_out_once_per_filter(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        "headscope.dashboard.pages.methods.comparison.agreement", lambda *args: calls.append(1) or agreement(*args)
    )
    comparisons = Comparisons(store)
    comparisons.of(ONE_MODEL)
    assert len(calls) == 24
    comparisons.of(replace(ONE_MODEL, measure="signs", pair="a,b", hide=("saliency",), by="set", method="attn_lrp"))
    assert len(calls) == 24
    comparisons.of(replace(ONE_MODEL, k=5))
    assert len(calls) == 48


def test_scale_of_the_gains_has_zero_on_it() -> None:
    found = scale([Gain(2, 1, 3), Gain(1)])
    assert (found.low, found.high) == (0, 3)
    assert Scale(-1, 3).place(0) == "25.00%"
    assert scale([]).place(0) == "0.00%"


def test_intervals_of_gains_are_the_bootstraps_over_prompts(tmp_path: Path) -> None:
    made = method_runs.results(24, seed=600)
    made = [replace(one, prompt=replace(one.prompt, pair_id=f"pair {i // 2}")) for i, one in enumerate(made)]
    query = MethodsQuery(experiment="paired")
    with Store.open(str(tmp_path / "p.duckdb")) as store:
        method_runs.save(store, "paired", made)
        row = next(row for row in store.method_stats(query.where()) if row.method == "attn_lrp")
        found = of(intervals(store.method_gains(query.where())), row)
    gains = [item.receipt.gain for one in made for item in one.attributions if item.method == "attn_lrp"]
    whole = bootstrap_means(np.array(gains)[:, None], [i // 2 for i in range(24)])
    assert found["over_random"].mean == pytest.approx(row.over_random) == pytest.approx(whole.mean[0] - 0.05)
    width = whole.high[0] - whole.low[0]
    ends = np.array([[found[name].low, found[name].high] for name in ("over_random", "over_recency")])
    assert ends[0] == pytest.approx([whole.low[0] - 0.05, whole.high[0] - 0.05], abs=0.1 * width)
    assert ends[0] - ends[1] == pytest.approx([0.45, 0.45])


# ---- the cards -----------------------------------------------------------------------------------------------------


def test_leaderboard_is_sorted_by_gain_and_says_what_it_is_over(services: Services) -> None:
    body, actions = shown(services, ONE_MODEL, Ids.BOARD)
    text = text_of(body)
    order = [text.index(label(name)) for name in ("attn_lrp", "cp_lrp", "integrated_gradients", "head_ablation")]
    assert order == sorted(order)
    row = services.store.method_stats(ONE_MODEL.where())[0]
    assert signed(row.over_random) in text
    assert signed(row.over_recency) in text
    counts = (row.n_better, row.n_better_than_random, 0, row.n_no_better, 0)
    for said, count in zip(WORDS.values(), counts, strict=True):
        assert (said.capitalize() in text) == (said != UNCOMPARED)
        assert f"{percents(*wilson(count, row.n_tested))} · {count}" in text
    assert f"{percents(*wilson(row.n_top1, row.n_shapley))} · {row.n_top1}" in text
    assert "0.10 – 0.10 s" in text
    assert "60 – 60 MiB" in text
    assert "no score per token" in text
    assert "the path does not converge in 400 steps" in text
    assert "pooled" not in text
    assert actions is not None


def test_pooled_models_and_few_prompts_are_said(services: Services) -> None:
    assert "2 models are pooled" in words(services, COMPARED, Ids.BOARD)
    few = words(services, MethodsQuery(experiment="few"), Ids.BOARD)
    assert "Fewer than 5 prompts" in few
    assert "no interval" in few
    assert "Fewer than 5 prompts" in words(services, MethodsQuery(experiment="few"), Ids.MATRIX)


def test_what_did_not_converge_is_left_out_and_counted(services: Services) -> None:
    query = MethodsQuery(experiment="unsure", method="cp_lrp")
    taken = replace(query, unconverged=True)
    for id_ in CARDS:
        body, _ = shown(services, query, id_)
        assert "2 of 6 left out: not converged (CP-LRP). Take them in" in " ".join(text_of(body).split()), id_
        assert taken.link() in hrefs(body)
        whole, _ = shown(services, taken, id_)
        assert "counted in all the same: 2 of 6 of CP-LRP. Leave them out" in " ".join(text_of(whole).split()), id_
        assert query.link() in hrefs(whole)
        assert "ot converged (" not in words(services, replace(ONE_MODEL, method="cp_lrp"), id_)
    comparisons = Comparisons(services.store)
    a, b = comparisons.of(query).index(["attn_lrp", "cp_lrp"])
    assert (comparisons.of(query).tau.n[a, b], comparisons.of(taken).tau.n[a, b]) == (4, 6)


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


def test_old_receipts_say_that_recency_was_not_measured(tmp_path: Path) -> None:
    receipt = make_receipt(verdict=Verdict.UNCOMPARED, recency_gain=NAN, removal=(), shapley_top1=NAN, shapley_tau=NAN)
    made = [replace(one, attributions=(replace(one.attributions[0], receipt=receipt),))
            for one in method_runs.results(6)]  # fmt: skip
    with Store.open(str(tmp_path / "o.duckdb")) as store:
        method_runs.save(store, "old", made)
        query = MethodsQuery(experiment="old", method="input_x_gradient")
        assert UNCOMPARED.capitalize() in words(Services(store), query, Ids.BOARD)
        assert UNCOMPARED in words(Services(store), query, Ids.RECEIPTS)


def test_runs_of_one_model_that_were_computed_differently_are_said_once_with_counts(tmp_path: Path) -> None:
    made = method_runs.results(6, receipts=False)
    start = [replace(result, capsule={**result.capsule, "start_token": True, "device": "cpu"}) for result in made[:2]]
    plain = [replace(result, capsule={**result.capsule, "device": "cpu"}) for result in made[2:]]
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        method_runs.save(store, "one way", plain)
        method_runs.save(store, "mixed", plain + start)
        method_runs.save(store, "mixed", plain, model="other")
        method_runs.save(store, "mixed", plain[:3], dtype="bfloat16")
        text = " ".join(text_of(bar(store, MethodsQuery(experiment="mixed"))).split())
        assert text.endswith("Runs of tiny that were computed differently are counted together here: 6 in float32, "
                             "3 in bfloat16; 7 without a start token, 2 with a start token.")  # fmt: skip
        assert text.count("counted together") == 1
        assert "counted together" not in text_of(bar(store, MethodsQuery(experiment="mixed", model="other")))
        assert "counted together" not in text_of(bar(store, MethodsQuery(experiment="one way")))


def test_by_prompt_set(services: Services) -> None:
    query = replace(COMPARED, model="tiny", by="set")
    body, _ = shown(services, query, Ids.BOARD)
    assert "stories" in text_of(body)
    assert query.link(method="attn_lrp", prompt_set="stories") + "#methods-receipts" in hrefs(body)


def test_no_receipts_says_how_to_measure_them(services: Services) -> None:
    text = words(services, MethodsQuery(experiment="bare", prompt_set="facts"), Ids.BOARD)
    assert "No receipts were measured here" in text
    assert "headscope run --prompts facts --experiment bare --analyses standard,receipts" in text
    assert "AttnLRP" in text
    assert "0.62" not in text


def test_no_attributions_and_no_runs(services: Services) -> None:
    silent = MethodsQuery(experiment="silent")
    assert "No attributions here" in words(services, silent, Ids.BOARD)
    nowhere = MethodsQuery(experiment="nowhere")
    for query, ids in ((silent, (Ids.MATRIX, Ids.DISPUTES)), (nowhere, tuple(CARDS))):
        for id_ in ids:
            assert shown(services, query, id_)[0] is None
    assert "There is no run with experiment “nowhere”" in text_of(bar(services.store, nowhere))


def test_without_an_experiment_nothing_is_read_but_their_names(store: Store) -> None:
    counting = CountingStore(store)
    for id_ in CARDS:
        assert shown(Services(counting), MethodsQuery(), id_) == (None, None)
    chosen = bar(counting, MethodsQuery())
    assert counting.calls == {"overview": 1}
    assert "/methods?experiment=compared" in hrefs(chosen)


def test_an_empty_store_leads_to_the_overview(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "e.duckdb")) as empty:
        assert "/" in hrefs(bar(empty, MethodsQuery()))


def test_how_many_queries_each_card_needs(store: Store) -> None:
    wanted = {
        Ids.BOARD: {"runs_page": 1, "method_stats": 1, "method_gains": 1, "method_failures": 1, "facets": 1},
        Ids.RECEIPTS: {"runs_page": 1, "receipts": 1, "method_stats": 1},
        Ids.MATRIX: {"position_scores": 1},
        Ids.DISPUTES: {"position_scores": 1},
    }
    for id_, calls in wanted.items():
        counting = CountingStore(store)
        shown(Services(counting), replace(COMPARED, method="saliency"), id_)
        assert counting.calls == calls, id_


def test_a_broken_store_is_a_box_in_every_card() -> None:
    services = Services(BrokenStore())
    for id_ in CARDS:
        assert "the file is damaged" in words(services, replace(COMPARED, method="saliency"), id_)
    assert "the file is damaged" in text_of(bar(services.store, COMPARED))


def test_receipts_behind_a_number_lead_to_their_runs(services: Services) -> None:
    query = replace(ONE_MODEL, method="saliency")
    body, _ = shown(services, query, Ids.RECEIPTS)
    rows = services.store.receipts(ONE_MODEL.where(), "saliency", LISTED)
    links = [link for link in hrefs(body) if link.startswith("/run?")]
    assert links == [f"/run?id={row.run_id}&methods=saliency" for row in rows]
    assert "no better than random here" in text_of(body)
    assert "mean embedding" in text_of(body)
    assert "No receipts of Head ablation" in words(services, replace(query, method="head_ablation"), Ids.RECEIPTS)


def test_the_most_disputed_prompt_is_one_click_from_its_run(services: Services) -> None:
    body, _ = shown(services, ONE_MODEL, Ids.DISPUTES)
    comparison = Comparisons(services.store).of(ONE_MODEL)
    worst = disputes(comparison, comparison.methods)[0]
    first = next(link for link in hrefs(body) if link.startswith("/run?"))
    assert parse_query(first.partition("?")[2]) == {"id": worst.run.run_id, "methods": ",".join(worst.apart)}
    assert f"{worst.value:.2f}" in text_of(body)
    pair = words(services, replace(ONE_MODEL, pair="attn_lrp,saliency"), Ids.DISPUTES)
    assert "Between AttnLRP and Saliency" in " ".join(pair.split())


def test_the_matrix_shows_value_interval_and_a_smaller_n(services: Services) -> None:
    comparison = Comparisons(services.store).of(ONE_MODEL)
    a, b = comparison.index(["attn_lrp", "cp_lrp"])
    text = words(services, ONE_MODEL, Ids.MATRIX)
    tau = comparison.tau
    assert f"+{tau.mean[a, b]:.2f}" in text
    assert interval(tau.low[a, b], tau.high[a, b]) in text
    assert "n = 24 runs" in text
    assert f"n {tau.n[2, a]}" in text
    overlap = words(services, replace(ONE_MODEL, measure="overlap"), Ids.MATRIX)
    assert f"random orders share {comparison.chance:.2f}" in overlap


def test_hidden_methods_are_out_of_the_matrix_and_can_come_back(services: Services) -> None:
    query = replace(ONE_MODEL, hide=("saliency", "cp_lrp"))
    body, _ = shown(services, query, Ids.MATRIX)
    assert text_of(body).count("Saliency") == 1
    assert query.link(hide=("cp_lrp",)) in hrefs(body)
    everything = ("saliency", "cp_lrp", "attn_lrp", "input_x_gradient")
    assert "at least two" in words(services, replace(query, hide=everything), Ids.MATRIX)


def test_a_sample_is_said(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headscope.dashboard.pages.methods.comparison.MAX_RUNS", 10)
    assert "random sample of 10 of 24 runs" in words(services, ONE_MODEL, Ids.MATRIX)


# ---- links, SQL, downloads -----------------------------------------------------------------------------------------


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
        assert (row["n"], row["gain_over_random"]) == (
            board[row["method"]].n_receipts,
            board[row["method"]].over_random,
        )
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


def test_downloads_refuse_what_they_do_not_understand(store: Store) -> None:
    client = create_app(Services(store)).server.test_client()
    assert client.get("/api/v1/methods/nothing.csv", headers=HOST).status_code == 404
    assert client.get("/api/v1/methods/leaderboard.csv?experiment=compared&k=none", headers=HOST).status_code == 400
