"""The summary of up to twenty runs against hand calculations, the lens by words, and the files of a comparison."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headscope.analysis.types import LensTable, Prompt
from headscope.analysis.types.findings import ToxicityScore
from headscope.dashboard.app import create_app
from headscope.dashboard.pages.compare.across_measures import MEASURES, aligned_runs
from headscope.dashboard.pages.compare.across_numbers import moved, settled
from headscope.dashboard.pages.compare.cards import CARDS, content
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.compare.summaries import summaries
from headscope.dashboard.pages.compare.summary import HEAD, summary_view
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from headscope.storage.rows import RunDetail
from tests.factories import make_info, make_result, make_set
from tests.unit.dashboard.pages.test_compare_across import A, B, C, drawn, shown
from tests.unit.dashboard.pages.test_compare_page import Runs, text_of

HOST = {"Host": "127.0.0.1:8050"}


def lens(*layers: tuple[int, ...]) -> LensTable:
    ids = np.array(layers, np.int32)
    texts = tuple(tuple(str(one) for one in layer) for layer in layers)
    return LensTable(ids, np.full(ids.shape, 0.5, np.float32), texts, np.ones(ids.shape, np.float32))


def rows(*runs: RunDetail) -> list:
    many = aligned_runs(runs)
    assert many is not None
    return summaries(RecentRuns(Runs(*runs)), CompareQuery(), many)  # type: ignore[arg-type]


def test_the_lens_settles_where_its_top_token_is_the_last_layers_and_stays_it() -> None:
    table = lens((7, 1, 3), (7, 2, 3), (5, 2, 4), (7, 2, 3))  # layers down, positions across
    np.testing.assert_allclose(settled(table, 3, [(0, 1), (1, 3), (0, 0)]), [1.0, 1.0, np.nan])
    np.testing.assert_allclose(settled(table, 3, [(0, 2)]), [0.5])
    assert np.isnan(settled(None, 3, [(0, 1)])).all()
    assert np.isnan(settled(table, 4, [(0, 1)])).all()


def test_the_lens_is_compared_by_words_across_models_of_different_depth() -> None:
    deep = replace(A, lens=lens((1, 1, 1, 1, 1), (1, 1, 1, 2, 1), (1, 1, 1, 2, 9), (1, 1, 1, 2, 9)))
    flat = replace(B, lens=lens((1, 1, 3, 4), (1, 1, 2, 4)))
    values = drawn(shown(CompareQuery(across="lens"), deep, flat, C))
    np.testing.assert_allclose(values, [[0.25, 0.5, 0.75], [0.5, 1.0, 0.5], [np.nan] * 3])
    assert "No run has a number for logit lens here." in text_of(shown(CompareQuery(across="lens"), A, B))


def test_half_the_sum_of_differences_is_the_share_that_moved() -> None:
    values = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [np.nan, np.nan, np.nan], [0.5, np.nan, 0.5]])
    np.testing.assert_allclose(moved(values), [0.0, 0.5, np.nan, 0.25])


def test_a_row_sums_up_a_run_beside_the_first() -> None:
    assert B.trace is not None
    topk = B.trace.topk_logprobs.copy()
    topk[-1] = np.log([0.9, 0.1])
    other = replace(B, trace=replace(B.trace, topk_logprobs=topk), row=replace(B.row, margin=1.5))
    first, second = rows(A, other)
    assert (first.divergence, first.attribution, first.divergent) == (0.0, 0.0, "")
    terms = [(0.5, 0.9), (0.25, 0.1), (0.25, 0.0)]
    last = sum(0.5 * x * np.log2(2 * x / (p + q)) for p, q in terms for x in (p, q) if x > 0)
    assert second.divergence == pytest.approx(last / 3, abs=1e-6)  # the first two words have the same expectations
    assert second.divergence_most >= second.divergence
    assert (second.divergent, second.margin, second.words) == (" cat", 1.5, 3)
    letters = len(" unbelievable cat")  # the first word has no surprisal
    assert first.surprisal == pytest.approx((1 + 2 + 3 + 4) / np.log(2) / letters)
    assert second.surprisal == pytest.approx((1 + 2 + 3) / np.log(2) / letters)
    a, b = np.arange(5) - 0.5, np.arange(4) - 0.5
    a, b = (np.array([of[0], of[1:-1].sum(), of[-1]]) / np.abs(of).sum() for of in (a, b))
    assert second.attribution == pytest.approx(np.abs(a - b).sum() / 2)
    assert np.isnan([first.attention, first.lens, first.margin]).all()


def test_the_table_names_runs_without_measurements_and_stands_first() -> None:
    lost = replace(C, trace=None)
    said = text_of(summary_view(RecentRuns(Runs(A, B, lost)), CompareQuery(), (A, B, lost)))  # type: ignore[arg-type]
    for name in HEAD:
        assert name.removesuffix(">") in said
    assert "not measured" in said
    assert "Run C" in said
    assert CARDS[0].id == "compare-summary"


def test_files_hold_every_run_measure_and_word_and_cover_what_offends(tmp_path: Path) -> None:
    prompts = [Prompt("p", "The cat sat", " and", " but"), Prompt("q", "The dog sat", " and", " but")]
    scored = (ToxicityScore("prompt", "toxic", 0.99, "minilm-toxicity-2"),)
    results = [make_result(prompts[0], seed=1, attention=True), make_result(prompts[1], seed=2)]
    with Store.open(str(tmp_path / "store.duckdb")) as store:
        job = store.start_job(experiment="demo", model="tiny", spec={}, total=3)
        bad = replace(make_result(Prompt("r", "The rat died"), seed=3), findings=scored)
        saved = store.save(job, make_info(), make_set(*prompts, bad.prompt), ["heads"], 0, [*results, bad])
        a, b, c = saved.run_ids
        client = create_app(Services(store)).server.test_client()

        def lines(name: str, query: str) -> list[dict[str, str]]:
            answer = client.get(f"/api/v1/compare/{name}?{query}", headers=HOST)
            assert answer.status_code == 200, answer.text
            return list(csv.DictReader(io.StringIO(answer.text)))

        summary, words = lines("summary.csv", f"a={a}&b={b}"), lines("words.csv", f"a={a}&b={b}")
        assert [line["run_id"] for line in summary] == [a, b]
        assert float(summary[0]["divergence"]) == 0
        assert float(summary[1]["lens"]) > 0
        assert len(words) == len(MEASURES) * 2 * 3
        assert {line["measure"] for line in words} == set(MEASURES)
        assert [line["word"] for line in words[:3]] == ["The", " cat", " sat"]
        mean = np.mean(
            [float(line["value"]) for line in words if line["measure"] == "divergence" and line["run"] == "B"]
        )
        assert float(summary[1]["divergence"]) == pytest.approx(mean)
        covered = client.get(f"/api/v1/compare/words.csv?a={a}&b={c}", headers=HOST).text
        assert "[covered: prompt: toxic" in covered
        assert " cat" not in covered
        assert "rat" in client.get(f"/api/v1/compare/summary.csv?a={a}&b={c}&offensive=shown", headers=HOST).text
        for query in (f"a={a}", "", f"a={a}&b={b}&across=nothing"):
            assert client.get(f"/api/v1/compare/words.csv?{query}", headers=HOST).status_code == 400
        body, actions = content(CARDS[0], RecentRuns(store), f"?a={a}&b={b}")
        assert "0.00" in text_of(body)
        assert "Every word, CSV" in text_of(actions)
