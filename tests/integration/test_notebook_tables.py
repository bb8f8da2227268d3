"""The pages' tables as frames and their figures: each number against one worked out from single runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

import headscope
from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.types import RunResult
from headscope.notebook.store import Store as OpenStore
from headscope.storage.repository import Store
from tests.factories import make_failure, make_info, make_prompt, make_receipt, make_result, make_set

TEXTS = tuple(
    f"{one} {more}"
    for more in ("sat on a mat", "ran to the big house")
    for one in ("the cat", "a dog", "it", "one bird")
)
RUNS = len(TEXTS)
HEAD = (2, 1)


def varied(result: RunResult, n: int) -> RunResult:
    """With gains of its own."""
    items = (
        item if item.receipt is None else replace(item, receipt=make_receipt(item.receipt.gain + 0.01 * n * n))
        for item in result.attributions
    )
    return replace(result, attributions=tuple(items))


@pytest.fixture(scope="module")
def opened(shared_store_url: str) -> Iterator[OpenStore]:
    """Three models on prompts of their own kinds, one of them with a failed run."""
    with Store.open(shared_store_url) as store:
        for number, (model, experiment) in enumerate((("one", "x"), ("two", "x"), ("one", "y"))):
            prompts = [make_prompt(f"p{n}", text, group=None, pair_id=None) for n, text in enumerate(TEXTS)]
            results = [varied(make_result(prompt, seed=10 * number + n, attention=True, evidence=True), n)
                       for n, prompt in enumerate(prompts)]  # fmt: skip
            failed = make_prompt("bad", "no use")
            job = store.start_job(experiment=experiment, model=model, spec={}, total=RUNS + 1)
            chosen = make_set(*prompts, failed)
            store.save(job, make_info(model), chosen, ["heads"], 0, [*results, make_failure(failed)])
    with headscope.open(shared_store_url) as book:
        yield book


def test_a_board_has_the_means_of_its_receipts(opened: OpenStore) -> None:
    board = opened.methods(experiment="x").set_index("method")
    receipts = opened.receipts(experiment="x")
    for method, rows in receipts.groupby("method"):
        gains = rows.gain - rows.random_gain
        assert board.loc[method, "over_random"] == pytest.approx(gains.mean())
        assert board.loc[method, "n_receipts"] == len(rows) == 2 * RUNS
        better = (rows.verdict == "better than random and recency").mean()
        assert board.loc[method, "better_share"] == pytest.approx(better)
        assert board.loc[method, "better_low"] <= better <= board.loc[method, "better_high"]
        assert board.loc[method, "over_random_low"] <= gains.mean() <= board.loc[method, "over_random_high"]
    assert board.loc["integrated_gradients", "n_failed"] == 2 * RUNS
    assert set(opened.methods(by_prompt_set=True, experiment="x").prompt_set) == {"demo"}


def scores_of(store: OpenStore, run_id: str) -> dict[str, np.ndarray]:
    found = store.attributions(run_id)
    kept = found[found.method.isin(["saliency", "input_x_gradient"])]
    return {name: rows.sort_values("position").score.to_numpy(float) for name, rows in kept.groupby("method")}


def test_agreement_and_disputes_are_kendalls_tau_of_every_run(opened: OpenStore) -> None:
    runs = opened.runs(experiment="x", status="succeeded")
    taus = {}
    for run_id in runs.id:
        scores = scores_of(opened, run_id)
        taus[run_id] = kendalltau(abs(scores["saliency"]), abs(scores["input_x_gradient"])).statistic
    (row,) = opened.agreement(experiment="x").to_dict("records")
    assert {row["method_a"], row["method_b"]} == {"saliency", "input_x_gradient"}
    assert row["tau_mean"] == pytest.approx(np.mean(list(taus.values())))
    assert row["tau_low"] < row["tau_mean"] < row["tau_high"]
    assert row["tau_n"] == len(runs) == 2 * RUNS
    assert row["left_out"] == ""
    disputes = opened.disputes(experiment="x")
    np.testing.assert_allclose(disputes.dispute, sorted((1 - tau for tau in taus.values()), reverse=True))
    for _, one in disputes.iterrows():
        assert one.tau == pytest.approx(taus[one.run_id])
    assert len(opened.disputes(methods=["saliency", "input_x_gradient"], experiment="x")) == 2 * RUNS


def test_statistics_of_heads_are_means_over_runs(opened: OpenStore) -> None:
    stats = opened.head_stats(experiment="x")
    assert set(stats.model) == {"one", "two"}
    single = opened.heads(experiment="x", model="two")
    expected = single.groupby(["layer", "head"]).entropy.agg(["mean", "std", "min", "max", "count"])
    mine = stats.query("model == 'two' and statistic == 'entropy'").set_index(["layer", "head"])
    for name, column in (("mean", "mean"), ("sd", "std"), ("least", "min"), ("largest", "max"), ("n", "count")):
        np.testing.assert_allclose(mine[name], expected[column], rtol=1e-5)
    assert ((mine.low < mine["mean"]) & (mine["mean"] < mine.high)).all()
    part = opened.head_stats(experiment="x", text__contains="cat")  # from the arrays, not from kept sums
    assert set(part.query("statistic == 'entropy'").n) == {2}
    assert part.low.isna().all()


def test_one_head_run_by_run(opened: OpenStore) -> None:
    layer, head = HEAD
    found = opened.head_runs("one", layer, head, experiment="x")
    one = found[found.statistic == "entropy"].set_index("run_id").value
    expected = opened.heads(experiment="x", model="one").query(f"layer == {layer} and head == {head}")
    pd.testing.assert_series_equal(
        one.sort_index(), expected.set_index("run_id").entropy.astype(float).sort_index(), check_names=False
    )
    cells = opened.cells(experiment="x", model="one").query(
        f"method == 'head_ablation' and a == {layer} and b == {head}"
    )
    removed = found[found.statistic == "head_ablation"]
    np.testing.assert_allclose(sorted(removed.value), sorted(cells.score), rtol=1e-6)
    assert len(opened.head_runs("one", 99, head)) == 0


def test_charts_count_runs(opened: OpenStore) -> None:
    runs = opened.runs()
    box = opened.chart("margin", kind="box", by="experiment").set_index("series")
    for name, rows in runs.groupby("experiment").margin:
        assert (box.loc[name, "runs"], box.loc[name, "unmeasured"]) == (rows.notna().sum(), rows.isna().sum())
        np.testing.assert_allclose(
            box.loc[name, ["q1", "median", "q3"]].astype(float), np.percentile(rows.dropna(), (25, 50, 75)), rtol=1e-6
        )
    bins = opened.chart("n_tokens", by="model")
    assert bins.groupby("series").runs.sum().to_dict() == {"one": 2 * RUNS, "two": RUNS}
    steps = opened.chart("n_tokens", kind="ecdf")
    assert steps.share_up_to.max() == 1
    assert set(steps.runs) == {3 * RUNS}
    points = opened.chart("n_tokens", "margin", by="model")
    both = points.merge(opened.runs(), left_on="run_id", right_on="id")
    assert len(both) == 3 * RUNS
    np.testing.assert_allclose(both.margin_x, both.margin_y)


def test_runs_beside_the_first(opened: OpenStore) -> None:
    ids = list(opened.runs(prompt_key="p0", sort="created_at").id)
    found = opened.compare(ids)
    assert list(found.run_id) == ids
    assert list(found.run) == ["A", "B", "C"]
    assert (found.attribution[0], found.divergence[0]) == (0, 0)
    characters = len(TEXTS[0]) - len("the")  # nothing says how likely a first word is
    for run_id, bits in zip(found.run_id, found.surprisal, strict=True):
        assert bits == pytest.approx(opened.tokens(run_id).surprisal.sum() / np.log(2) / characters, rel=1e-5)


def test_words_of_runs_beside_the_first(opened: OpenStore) -> None:
    ids = list(opened.runs(prompt_key="p0", sort="created_at").id)
    words = opened.compare_words(ids, "surprisal")
    assert list(words.word[: len(words) // 3]) == ["the", " cat", " sat", " on", " a", " mat"]
    for run_id, rows in words.groupby("run_id"):
        bits = opened.tokens(run_id).surprisal.to_numpy(float) / np.log(2)
        np.testing.assert_allclose(rows.value, bits, rtol=1e-5)
    apart = opened.compare_words(ids)
    assert (apart.value <= apart.at_most + 1e-9).all()
    assert (apart.groupby("run").value.max()[["A"]] == 0).all()


def test_labels_of_heads_come_with_their_evidence(opened: OpenStore) -> None:
    labels, stats = opened.head_labels(experiment="x"), opened.head_stats(experiment="x")
    assert len(labels)
    for _, row in labels.iterrows():
        mine = stats.query("model == @row.model and statistic == @row.statistic").set_index(["layer", "head"])
        found = mine.loc[(row.layer, row["head"])]
        assert row.label in found.labels.split("; ")
        assert (row["mean"], row.low, row.high, row.n) == (found["mean"], found.low, found.high, found.n)
        assert row.low > row.threshold if row.asked == "above" else row.high < row.threshold


def test_heads_of_two_models_head_by_head(opened: OpenStore) -> None:
    beside = opened.heads_beside("one", "two", "entropy", experiment="x").set_index(["layer", "head"])
    stats = opened.head_stats(experiment="x").query("statistic == 'entropy'").set_index(["layer", "head"])
    one, two = (stats[stats.model == name] for name in ("one", "two"))
    np.testing.assert_allclose(beside.difference, one["mean"] - two["mean"])
    width = np.hypot(one["mean"] - one.low, two.high - two["mean"])
    np.testing.assert_allclose(beside.difference - beside.low, width)


def test_calibration_of_two_models_is_counted_in_bins(opened: OpenStore) -> None:
    bins = opened.calibration("one", "two", first_experiment="x")
    runs = opened.runs(status="succeeded", experiment="x")
    for name, rows in bins.groupby("model"):
        mine = runs[runs.model == name.split(" ")[0]]
        assert rows.prompts.sum() == len(mine) == RUNS
        assert (rows.right * rows.prompts).sum() == pytest.approx((mine.target_rank == 1).sum())
        assert (rows.stated * rows.prompts).sum() == pytest.approx(mine.next_token_prob.sum())


def test_figures_draw_what_the_frames_have(opened: OpenStore) -> None:
    draw, ids = opened.figures, list(opened.runs(prompt_key="p0").id)
    board = opened.methods(experiment="x").dropna(subset="over_random")
    forest = draw.methods(experiment="x").data[0]
    np.testing.assert_allclose(np.array(forest.x, float), board.over_random)
    np.testing.assert_allclose(np.array(forest.error_x.array, float), board.over_random_high - board.over_random)
    matrix = np.array(draw.agreement(experiment="x").data[0].z, float)
    assert matrix[0, 1] == matrix[1, 0] == pytest.approx(opened.agreement(experiment="x").tau_mean[0])
    stats = opened.head_stats(model="two").query("statistic == 'head_ablation'")
    drawn = np.array(draw.heads("head_ablation", model="two").data[0].z, float)
    np.testing.assert_allclose(drawn.reshape(-1), stats["mean"])
    matter = draw.heads_matter(model="two").data[0]
    np.testing.assert_allclose(np.array(matter.y, float), stats.mean_size)
    head = draw.head("two", *HEAD)
    assert sum(map(sum, (bar.y for bar in head.data))) == len(opened.head_runs("two", *HEAD))
    assert [line.name for line in draw.models_heads("entropy").data] == ["one", "two"]
    assert sum(draw.chart("n_tokens").data[0].y) == 3 * RUNS
    lens = np.array(draw.compare(ids, "lens").data[0].z, float)
    np.testing.assert_allclose(np.nanmean(lens, axis=1), opened.compare(ids).lens)
    assert [line.name.split(":")[0] for line in draw.models("one", "two").data][1:] == ["one", "two"]
    assert draw.models("one", "one", first_experiment="x", second_experiment="y").data[1].name.startswith("one · x: ")


def test_layers_and_parts_of_a_run_are_drawn(opened: OpenStore, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng, prompt = np.random.default_rng(5), make_prompt("p", "the cat sat")
    result = make_result(prompt, evidence=True)
    patched, parts = rng.standard_normal((4, 3)), rng.standard_normal((4, 4))
    kinds = (("activation_patching", patched, ("layer", "position")), ("relp", parts, ("layer", "component")))
    more = tuple(
        replace(result.attributions[-1], method=name, scores=scores.astype(np.float32), axes=axes)
        for name, scores, axes in kinds
    )
    url = str(tmp_path_factory.mktemp("parts") / "s.duckdb")
    with Store.open(url) as store:
        job = store.start_job(experiment="parts", model="tiny", spec={}, total=1)
        results = [replace(result, attributions=(*result.attributions, *more))]
        (run_id,) = store.save(job, make_info(), make_set(prompt), ["heads"], 0, results).run_ids
    with headscope.open(url) as book:
        run = book.run(run_id)
        np.testing.assert_allclose(np.array(run.figures.layers("activation_patching").data[0].z), patched, rtol=1e-6)
        np.testing.assert_allclose(np.array(run.figures.components("relp").data[0].z), parts, rtol=1e-6)
        assert "activation_patching" in run.drawn().html
        with pytest.raises(UnknownNameError, match="activation_patching"):
            run.figures.layers("relp")


BAD: dict[str, Callable[[OpenStore], object]] = {
    "no scatter of one": lambda store: store.chart("margin", kind="scatter"),
    "no box of two": lambda store: store.chart("margin", "seconds", kind="box"),
    "too few runs": lambda store: store.compare(["one"]),
    "too many runs": lambda store: store.compare([str(n) for n in range(21)]),
    "failed runs": lambda store: store.compare(list(store.runs(status="failed").id)),
    "no tokens": lambda store: store.agreement(top=0),
    "no runs of methods": lambda store: store.figures.methods(experiment="none"),
    "no runs of agreement": lambda store: store.figures.agreement(experiment="none"),
    "no heads": lambda store: store.figures.heads(experiment="none"),
    "several models": lambda store: store.figures.heads(),
    "no such head": lambda store: store.figures.head("one", 99, 0),
    "no statistic of models": lambda store: store.figures.models_heads("relp"),
    "one model twice": lambda store: store.figures.models("one", "one"),
    "heads of one model twice": lambda store: store.heads_beside("one", "one"),
    "calibration of one model twice": lambda store: store.calibration("one", "one"),
    "no prompts of both": lambda store: store.figures.models("one", "none"),
}
UNKNOWN: dict[str, Callable[[OpenStore], object]] = {
    "column": lambda store: store.chart("colour"),
    "split": lambda store: store.chart("margin", by="colour"),
    "chart": lambda store: store.chart("margin", kind="pie"),
    "condition": lambda store: store.methods(colour="red"),
    "run": lambda store: store.compare(["none", "nothing"]),
    "method": lambda store: store.disputes(methods=["relp"]),
    "measure": lambda store: store.figures.agreement("likeness"),
    "model of heads": lambda store: store.heads_beside("one", "none"),
    "statistic of heads": lambda store: store.heads_beside("one", "two", "likeness"),
    "measure of words": lambda store: store.compare_words(["a", "b"], "likeness"),
    "measure of runs": lambda store: store.figures.compare(["a", "b"], "likeness"),
    "statistic": lambda store: store.figures.heads("likeness", model="one"),
    "looks": lambda store: store.figures.heads_matter("likeness", model="one"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_had_says_why(opened: OpenStore, name: str) -> None:
    with pytest.raises(InputError, match=r"\."):
        BAD[name](opened)


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_name_that_is_none_is_refused_with_those_that_are(opened: OpenStore, name: str) -> None:
    with pytest.raises(UnknownNameError):
        UNKNOWN[name](opened)


def test_frames_of_no_runs_have_their_columns(opened: OpenStore) -> None:
    none = {"experiment": "none"}
    for full, empty in (
        (opened.methods(), opened.methods(**none)), (opened.agreement(), opened.agreement(**none)),
        (opened.disputes(), opened.disputes(**none)), (opened.head_stats(), opened.head_stats(**none)),
        (opened.head_labels(), opened.head_labels(**none)),
        (opened.calibration("one", "two"), opened.calibration("one", "two", **none)),
        (opened.head_runs("one", *HEAD), opened.head_runs("none", *HEAD)),
        *((opened.chart("margin", kind=kind), opened.chart("margin", kind=kind, **none)) for kind in ("box", "ecdf")),
        (opened.chart("margin"), opened.chart("margin", **none)),
        (opened.chart("margin", "seconds"), opened.chart("margin", "seconds", **none)),
    ):  # fmt: skip
        assert len(full)
        assert (len(empty), list(empty)) == (0, list(full))


def test_a_sample_says_so(opened: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headscope.dashboard.pages.methods.comparison.MAX_RUNS", 3)
    (row,) = opened.agreement().to_dict("records")
    assert (row["tau_n"], row["left_out"]) == (3, f"A fixed random sample: 3 of {3 * RUNS} runs.")
    assert opened.figures.agreement().layout.title.text == f"A fixed random sample: 3 of {3 * RUNS} runs."


def test_the_newest_of_too_many_runs_are_said_to_be_that(opened: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, some = opened.reader, {"experiment": "x", "text__contains": "big"}
    read = reader.head_stats
    monkeypatch.setattr(reader, "head_stats", lambda where: read(where, most=2))
    said = set(opened.head_stats(**some).left_out)
    assert len(said) == 1
    assert (text := said.pop()).startswith("The newest 2 of ")
    assert set(opened.head_labels(**some).left_out) <= {text}
    for figure in (
        opened.figures.heads("entropy", model="two", **some),
        opened.figures.models_heads("entropy", **some),
    ):
        assert figure.layout.title.text.startswith("The newest 2 of ")
    assert opened.figures.heads("entropy", model="two").layout.title.text is None
