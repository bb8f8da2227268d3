"""The cards of the Methods page without a browser: what stands in them, their states, how many queries they make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headscope.analysis.statistics.intervals import wilson
from headscope.analysis.types.receipts import Verdict
from headscope.dashboard.link_state import parse_query
from headscope.dashboard.numbers import interval, signed
from headscope.dashboard.pages.methods.cards import LISTED
from headscope.dashboard.pages.methods.comparison import Comparisons, disputes
from headscope.dashboard.pages.methods.page import CARDS, Ids
from headscope.dashboard.pages.methods.query import MethodsQuery, label
from headscope.dashboard.pages.methods.verdicts import WORDS
from headscope.dashboard.services import Services
from headscope.dashboard.units import percents
from headscope.dashboard.verdicts import UNCOMPARED
from headscope.storage.repository import Store
from tests import method_runs
from tests.factories import NAN, make_receipt
from tests.methods_page import COMPARED, ONE_MODEL, bar, shown, words
from tests.page_parts import BrokenStore, CountingStore, hrefs, text_of


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
    assert counting.calls == {"experiments": 1, "experiments_with": 1}
    assert "/methods?experiment=compared" in hrefs(chosen)


def test_an_empty_store_leads_to_the_overview(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "e.duckdb")) as empty:
        assert "/" in hrefs(bar(empty, MethodsQuery()))


def test_how_many_queries_each_card_needs(store: Store) -> None:
    wanted = {
        Ids.BOARD: {"count": 1, "method_stats": 1, "method_gains": 1, "method_failures": 1},
        Ids.RECEIPTS: {"count": 1, "receipts": 1, "method_stats": 1, "offensive": 1},
        Ids.MATRIX: {"position_scores": 1},
        Ids.DISPUTES: {"position_scores": 1, "offensive": 1},
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
