"""What a store counts over methods and their receipts, on DuckDB and on a real PostgreSQL, against numpy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from headscope.analysis.attribution.results import position_scores
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import Attribution, RunResult
from headscope.analysis.types.outcome import Outcome
from headscope.analysis.types.receipts import Verdict
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, MethodGains, RunFilter, ScoreSample
from tests.factories import (
    NAN,
    make_attribution,
    make_failure,
    make_info,
    make_prompt,
    make_receipt,
    make_result,
    make_set,
)
from tests.filled_store import assert_same

EVERYTHING = RunFilter()
FIRST = RunFilter((Condition("experiment", "eq", "first"),))
ERRORS = np.array([NAN, 0.5, 0.25, 0.0, 0.125, 1.0], np.float32)
GAINS = (0.9, 0.1, 0.7, -0.2, NAN)


def evidence(index: int) -> tuple[Attribution, ...]:
    """Saliency always measured or not as GAINS says; heads without positions; a method that fails on odd prompts."""
    rng, odd = np.random.default_rng(index), index % 2 == 1
    gain = GAINS[index]
    verdict = {"verdict": Verdict.UNMEASURED, "random_gain": NAN} if np.isnan(gain) else {}
    saliency = make_attribution("saliency", rng.random(6), signed=False)
    weak = make_receipt(0.1, error=NAN, sensitivity=float(index))
    wide = make_attribution("attention", rng.random((2, 3, 6)), signed=False)
    return (
        replace(saliency, receipt=make_receipt(gain, **verdict), peak_bytes=1000 * index, seconds=float(index)),
        replace(make_attribution("input_x_gradient", rng.standard_normal(6)), receipt=weak, score_errors=ERRORS,
                outcome=Outcome(index != 0)),
        replace(make_attribution("head_ablation", rng.random((2, 3))), axes=("layer", "head")),
        replace(wide, axes=("layer", "head", "position")),
        replace(make_attribution("lrp", np.empty(0) if odd else np.ones(6), error="no such layers" if odd else None),
                seconds=0.0 if odd else 4.0, peak_bytes=0 if odd else 4096),
    )  # fmt: skip


def results() -> list[RunResult]:
    made = [make_result(make_prompt(f"p{i}", f"The cat sat on mat {i}"), seed=i) for i in range(5)]
    return [replace(result, attributions=evidence(i)) for i, result in enumerate(made)]


@pytest.fixture(scope="module")
def store(shared_store_url: str) -> Iterator[Store]:
    """Five runs in `first`, of which two in another prompt set, one failed run, and one run elsewhere."""
    made = results()
    bad = make_failure(make_prompt("bad"))
    with Store.open(shared_store_url) as opened:
        for experiment, name, some in (
            ("first", "one", [*made[:3], bad]),
            ("first", "two", made[3:]),
            ("second", "one", [replace(make_result(make_prompt("p0"), seed=9), attributions=evidence(0))]),
        ):
            job = opened.start_job(experiment=experiment, model="tiny", spec={}, total=len(some))
            opened.save(job, make_info(), make_set(*(r.prompt for r in some), name=name), ["heads"], 0, some)
        yield opened


class TestEvidence:
    """Runs once per database."""

    def test_statistics_are_numpys(self, store: Store) -> None:
        found = {row.method: row for row in store.method_stats(FIRST)}
        row = found["saliency"]
        gains = np.array(GAINS[:4])
        assert (row.n, row.n_failed, row.n_ranked, row.n_receipts, row.n_recency) == (5, 0, 5, 4, 4)
        assert (row.n_tested, row.n_better, row.n_better_than_random, row.n_no_better) == (4, 2, 0, 2)
        assert row.over_random == pytest.approx(gains.mean() - 0.05)
        assert row.over_recency == pytest.approx(gains.mean() - 0.5)
        assert (row.n_shapley, row.n_top1, row.shapley_tau) == (5, 2, 0.75)
        assert row.comprehensiveness == pytest.approx(np.mean(GAINS[:4]) + 0.25)
        assert row.sufficiency == pytest.approx(0.25)
        assert (row.error, row.n_error, row.sensitivity, row.n_sensitivity) == (0.125, 5, None, 0)
        assert (row.seconds, row.seconds_low, row.seconds_high) == pytest.approx((2.0, 0.4, 3.6))
        assert (row.peak_bytes, row.peak_low, row.peak_high) == pytest.approx((2000, 400, 3600))
        assert (row.signed, row.prompt_set) == (False, None)
        other = found["input_x_gradient"]
        assert (other.error, other.n_error, other.sensitivity, other.n_sensitivity) == (None, 0, 2.5, 4)
        assert (other.signed, other.peak_bytes, other.n_better) == (True, None, 0)
        some = found["lrp"]  # what failed took no time to speak of
        assert (some.n, some.n_failed, some.seconds, some.seconds_low, some.peak_low) == (5, 2, 4.0, 4.0, 4096)

    def test_gains_are_added_up_with_pairs_kept_together(self, store: Store) -> None:
        """Every prompt of `make_prompt` is one side of the pair "pair"; the two prompt sets have other pairs."""
        found = store.method_gains(FIRST)
        at = found.keys.index(("saliency", None))
        assert found.sums.shape == (2, 2, 2)
        sums, counts = found.sums[:, at], found.counts[:, at]
        expected = {3.0: np.sum(GAINS[:3]), 1.0: GAINS[3]}
        for gain, count in zip(sums, counts, strict=True):
            assert gain == pytest.approx(expected[count[0]] - count[0] * np.array([0.05, 0.5]))
        by_set = store.method_gains(FIRST, by_prompt_set=True)
        assert set(by_set.keys) == {
            (name, part) for name in ("saliency", "input_x_gradient") for part in ("one", "two")
        }
        assert by_set.sums.sum() == pytest.approx(found.sums.sum())
        nothing = store.method_gains(RunFilter((Condition("experiment", "eq", "none"),)))
        assert (nothing.keys, nothing.sums.shape) == ((), (0, 0, 2))

    def test_of_very_many_prompts_random_ones_are_added_up(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        one_by_one = store.method_gains(EVERYTHING)
        monkeypatch.setattr("headscope.storage.read.method_sums.MOST_GROUPS", 1)
        added = store.method_gains(RunFilter(search=" "))
        assert set(added.keys) == set(one_by_one.keys)
        order = [added.keys.index(key) for key in one_by_one.keys]
        np.testing.assert_allclose(added.sums.sum(0)[order], one_by_one.sums.sum(0))
        np.testing.assert_array_equal(added.counts.sum(0)[order], one_by_one.counts.sum(0))

    def test_what_did_not_converge_is_counted_and_left_out_unless_asked_for(self, store: Store) -> None:
        rows = store.method_stats(FIRST)
        assert {row.method: row.n_not_converged for row in rows if row.n_not_converged} == {"input_x_gradient": 1}
        row, whole = ({row.method: row for row in store.method_stats(FIRST, unconverged=also)}["input_x_gradient"]
                      for also in (False, True))  # fmt: skip
        assert (row.n_receipts, whole.n_receipts) == (4, 5)
        for one in (row, whole):
            assert (one.n_tested, one.n_no_better, one.n_unsure) == (5, 4, 1)
        assert (row.sensitivity, whole.sensitivity) == (2.5, 2.0)
        for also, n in ((False, 4), (True, 5)):
            gains = store.method_gains(FIRST, unconverged=also)
            assert gains.counts[:, gains.keys.index(("input_x_gradient", None))].sum(0).tolist() == [n] * 2
        unsure = [run.not_converged for run in store.position_scores(FIRST).runs if run.not_converged]
        assert unsure == [frozenset({"input_x_gradient"})]
        assert {row.converged for row in store.receipts(FIRST, "input_x_gradient")} == {True}
        said = [row.converged for row in store.receipts(FIRST, "input_x_gradient", unconverged=True)]
        assert sorted(said, key=str) == [False, *[True] * 4]
        assert {row.converged for row in store.receipts(FIRST, "saliency")} == {None}

    def test_scores_have_their_errors_in_views_and_runs(self, store: Store) -> None:
        (of_first,) = [run for run in store.position_scores(FIRST).runs if run.not_converged]
        expected = [None, 0.5, 0.25, 0.0, 0.125, 1.0]
        with store.engine.connect() as connection:
            for view, order in (("v_attribution_scores", "position"), ("v_attribution_cells", "a")):
                query = (f"SELECT score_error, converged FROM {view} WHERE CAST(run_id AS TEXT) = :run AND "
                         f"method = :method ORDER BY {order}")  # fmt: skip
                found = {
                    method: connection.execute(sa.text(query), {"run": of_first.run_id, "method": method}).all()
                    for method in ("input_x_gradient", "saliency")
                }
                assert found["input_x_gradient"] == [(error, False) for error in expected]
                assert found["saliency"] == [(None, None)] * 6
            receipts = connection.execute(sa.text("SELECT method, converged, count(*) FROM v_receipts GROUP BY 1, 2"))
            assert ("input_x_gradient", False, 2) in [tuple(row) for row in receipts]
        by_method = {one.method: one for one in store.run(of_first.run_id).attributions}
        np.testing.assert_array_equal(by_method["input_x_gradient"].score_errors, ERRORS)
        assert by_method["saliency"].score_errors is None

    def test_most_gain_first_and_without_receipts_last(self, store: Store) -> None:
        rows = store.method_stats(FIRST)
        assert [row.method for row in rows] == ["saliency", "input_x_gradient", "attention", "head_ablation", "lrp"]
        assert [(row.n, row.n_failed, row.n_ranked, row.n_receipts, row.over_random) for row in rows[2:]] == [
            (5, 0, 5, 0, None), (5, 0, 0, 0, None), (5, 2, 3, 0, None)
        ]  # fmt: skip

    def test_by_prompt_set(self, store: Store) -> None:
        rows = [row for row in store.method_stats(FIRST, by_prompt_set=True) if row.method == "saliency"]
        assert [(row.prompt_set, row.n, row.n_receipts) for row in rows] == [("one", 3, 3), ("two", 2, 1)]

    def test_filters(self, store: Store) -> None:
        assert {row.n for row in store.method_stats(EVERYTHING)} == {6}
        assert store.method_stats(RunFilter((Condition("experiment", "eq", "none"),))) == ()
        with pytest.raises(UnknownNameError, match="unknown column"):
            store.method_stats(RunFilter((Condition("nope", "eq", 1),)))

    def test_statistics_follow_a_write(self, store_url: str) -> None:
        with Store.open(store_url) as empty:
            assert empty.method_stats(EVERYTHING) == ()
            assert empty.position_scores(EVERYTHING).runs == ()
            result = results()[0]
            job = empty.start_job(experiment="first", model="tiny", spec={}, total=1)
            empty.save(job, make_info(), make_set(result.prompt), ["heads"], 0, [result])
            assert [row.n for row in empty.method_stats(EVERYTHING)] == [1] * 5
            assert len(empty.position_scores(EVERYTHING).runs) == 1

    def test_a_selection_has_the_numbers_of_an_experiment_of_just_its_runs(self, store_url: str) -> None:
        made, bad = results(), make_failure(make_prompt("bad"))
        picked = Condition("prompt_key", "in", ("p1", "p3", "bad"))
        with Store.open(store_url) as store:
            for experiment, some in (("whole", [*made, bad]), ("picked", [made[1], made[3]])):
                job = store.start_job(experiment=experiment, model="tiny", spec={}, total=len(some))
                store.save(job, make_info(), make_set(*(r.prompt for r in some)), ["heads"], 0, some)
            within, by_itself = (RunFilter((Condition("experiment", "in", names), *more)) for names, more in
                                 ((("whole",), (picked,)), (("picked",), ())))  # fmt: skip
            for ask in (store.method_stats, store.method_gains, store.receipts, store.position_scores):
                one, other = ask(within), ask(by_itself)
                assert_same(self.bare(one), self.bare(other))
            reasons = [
                [(row.reason, row.count) for row in store.method_failures(where)] for where in (within, by_itself)
            ]
            assert reasons[0] == reasons[1] == [("no such layers", 2)]
            newest = replace(RunFilter((Condition("experiment", "eq", "whole"),)), newest=2)
            assert {row.prompt_key for row in store.receipts(newest)} == {"p3", "p4"}  # not the failed one, saved last
            assert store.position_scores(newest).total == 2
            assert {row.n for row in store.method_stats(newest)} == {2}

    @staticmethod
    def bare(found: Any) -> Any:
        """Without what two copies of a run differ in."""
        if isinstance(found, ScoreSample):
            runs = sorted((replace(run, run_id="") for run in found.runs), key=lambda run: run.prompt_key)
            return tuple((replace(run, scores={}), *run.scores, *run.scores.values()) for run in runs)
        if isinstance(found, MethodGains):
            return found
        return tuple(replace(row, **{name: "" for name in ("run_id", "experiment") if hasattr(row, name)})
                     for row in found)  # fmt: skip

    def test_failures_say_why(self, store: Store) -> None:
        (row,) = store.method_failures(FIRST)
        assert (row.method, row.reason, row.count) == ("lrp", "no such layers", 2)
        assert store.run(row.run_id).attributions[4].error == "no such layers"

    def test_failures_are_the_same_from_what_the_leaderboard_read(self, store_url: str) -> None:
        """The reasons, counts and first runs of the query, where all of a group failed alike and where not."""
        reasons = (("a", None), ("a", "b"), (None, "b"), ("a", "a"))
        made = [
            replace(make_result(make_prompt(f"p{i}"), seed=i), attributions=tuple(
                make_attribution(name, np.empty(0) if why else np.ones(6), error=why)
                for name, why in zip(("lrp", "saliency"), both, strict=True)
            )) for i, both in enumerate(reasons)
        ]  # fmt: skip
        expected = [("lrp", "a", 3), ("saliency", "b", 2), ("saliency", "a", 1)]
        with Store.open(store_url) as store:
            for experiment, name, some in (
                ("alike", "one", made[:1]),
                ("alike", "two", made[3:]),
                ("mixed", "one", made),
            ):
                job = store.start_job(experiment=experiment, model="tiny", spec={}, total=len(some))
                store.save(job, make_info(), make_set(*(r.prompt for r in some), name=name), ["heads"], 0, some)
            for experiment, said in (("mixed", expected), ("alike", [("lrp", "a", 2), ("saliency", "a", 1)])):
                where = RunFilter((Condition("experiment", "eq", experiment),))
                asked = store.method_failures(where)
                assert [(row.method, row.reason, row.count) for row in asked] == said
                for by_prompt_set in (False, True):
                    store.method_stats(where, by_prompt_set=by_prompt_set)
                    assert store.method_failures(where) == asked
                    assert store.method_failures(where, limit=1) == asked[:1]

    def test_models_are_those_of_the_attributions(self, store_url: str) -> None:
        made = results()
        with Store.open(store_url) as store:
            for model, some in (
                ("tiny", made[:2]),
                ("other", made[2:3]),
                ("bare", [replace(made[3], attributions=())]),
            ):
                job = store.start_job(experiment="first", model=model, spec={}, total=len(some))
                store.save(job, make_info(model), make_set(*(r.prompt for r in some)), ["heads"], 0, some)
            assert {row.models for row in store.method_stats(FIRST)} == {("other", "tiny")}
            gains = store.method_gains(FIRST)  # a prompt of several models is drawn whole
            assert gains.counts[:, gains.keys.index(("saliency", None)), 0].tolist() == [3.0]

    def test_receipts_least_gain_first_unmeasured_last(self, store: Store) -> None:
        rows = store.receipts(FIRST, "saliency")
        assert [row.gain for row in rows] == [-0.2, 0.1, 0.7, 0.9, None]
        assert [row.verdict for row in rows][-2:] == ["better than random and recency", "not measured"]
        assert (rows[0].recency_gain, rows[0].exact, rows[0].second_baseline) == (0.5, True, "mean embedding")
        assert (rows[0].method_seconds, rows[0].seconds, rows[0].peak_bytes) == (3.0, 0.75, 3000)
        assert rows[0].text == "The cat sat on mat 3"
        assert (rows[0].target, rows[0].foil, rows[0].prompt_set, rows[0].model) == (" and", " but", "two", "tiny")
        assert store.run(rows[0].run_id).row.prompt_key == rows[0].prompt_key
        assert len(store.receipts(FIRST)) == 9
        assert len(store.receipts(FIRST, limit=3)) == 3
        assert store.receipts(FIRST, "nothing'; --") == ()

    def test_scores_of_every_ranked_method(self, store: Store) -> None:
        sample = store.position_scores(FIRST)
        assert sample.total == len(sample.runs) == 5
        by_key = {run.prompt_key: run for run in sample.runs}
        for index, result in enumerate(results()):
            run = by_key[f"p{index}"]
            assert (run.text, run.target, run.foil) == (result.prompt.text, " and", " but")
            expected = {item.method: position_scores(item) for item in result.attributions}
            expected = {method: scores for method, scores in expected.items() if scores is not None}
            assert run.scores.keys() == expected.keys()
            for method, scores in expected.items():
                np.testing.assert_array_equal(run.scores[method], scores)
            assert run.signed == {"input_x_gradient", *(["lrp"] if index % 2 == 0 else [])}

    def test_a_sample_is_bounded_and_stays_the_same(self, store: Store) -> None:
        first, again = (store.position_scores(RunFilter(search=" "), limit=3) for _ in range(2))
        assert (len(first.runs), first.total) == (3, 6)
        assert [run.run_id for run in first.runs] == [run.run_id for run in again.runs]
        assert first.version == again.version
