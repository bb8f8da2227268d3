"""Sums over heads that the writer keeps, on DuckDB and on a real PostgreSQL, against numpy over the same runs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from scipy import stats

from headscope.analysis.types import HEAD_STATS, Attribution, PromptSet, RunResult, RunStatus
from headscope.analysis.types.outcome import Outcome
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, HeadMeans, RunFilter
from headscope.storage.schema import versions
from headscope.storage.sql import readonly
from tests.at_once import at_once
from tests.factories import make_attribution, make_failure, make_info, make_prompt, make_result, make_set
from tests.filled_store import Filled, OnEachDatabase

SHAPE = (4, 3)
METHODS = ("head_ablation", "direct_logit_attribution", "co_ablation", "co_ablation_alone", "attn_lrp")


def over_heads(seed: int) -> tuple[Attribution, ...]:
    """Scores of every kind over heads; every third run did not converge in one, every fourth failed in it."""
    rng = np.random.default_rng(1000 + seed)
    ablated = make_attribution("head_ablation", rng.standard_normal(SHAPE), error=None)
    direct = make_attribution("direct_logit_attribution", rng.standard_normal((4, 4)))
    together = make_attribution("co_ablation", rng.standard_normal((2, *SHAPE)))
    passed = make_attribution("attn_lrp", rng.standard_normal(6))
    return (
        replace(ablated, axes=("layer", "head"), outcome=Outcome(converged=False if seed % 3 == 0 else None)),
        replace(direct, axes=("layer", "component")),
        replace(together, axes=("condition", "layer", "head")),
        replace(passed, head_scores=rng.standard_normal(SHAPE).astype(np.float32)),
    )


def runs(keys: Sequence[int], *, seed: int = 0) -> list[RunResult]:
    """A third of them with repeated tokens, so that induction is measured in those only."""
    made = []
    for key in keys:
        result = make_result(make_prompt(f"p{key}", f"The cat sat {key}"), seed=100 * seed + key)
        assert result.heads is not None
        if key % 3 == 0:
            result.heads.induction[:] = np.random.default_rng(key).random(SHAPE)
        made.append(replace(result, attributions=over_heads(key)))
    return made


def means(store: Store, experiment: str, model: str = "", prompt_set: str = "") -> tuple[HeadMeans, ...]:
    chosen = {"experiment": experiment, "model": model, "prompt_set": prompt_set}
    found = store.head_stats(RunFilter(tuple(Condition(name, "eq", value) for name, value in chosen.items() if value)))
    assert (found.read, found.total) == (0, 0)
    return found.means


def expected(results: Sequence[RunResult], statistic: str) -> np.ndarray:
    """`[run, layer, head]`, NaN where unmeasured."""
    if statistic in HEAD_STATS:
        return np.stack([getattr(result.heads, statistic) for result in results]).astype(np.float64)
    picked = []
    for result in results:
        ablated, direct, together, passed = result.attributions
        values = {
            "head_ablation": ablated.scores if ablated.outcome.converged is None else np.full(SHAPE, np.nan),
            "direct_logit_attribution": direct.scores[:, :3],
            "co_ablation": together.scores[0],
            "co_ablation_alone": together.scores[1],
            "attn_lrp": passed.head_scores,
        }
        picked.append(values[statistic])
    return np.stack(picked).astype(np.float64)


def assert_numpys(found: Sequence[HeadMeans], results: Sequence[RunResult]) -> None:
    by_name = {item.statistic: item for item in found}
    assert by_name.keys() == {*HEAD_STATS, *METHODS}
    for name, item in by_name.items():
        values = expected(results, name)
        known = np.isfinite(values)
        masked = np.ma.masked_array(values, ~known)
        np.testing.assert_array_equal(item.n, known.sum(0), err_msg=name)
        for field, right in (
            ("mean", masked.mean(0)),
            ("mean_size", np.ma.abs(masked).mean(0)),
            ("least", masked.min(0)),
            ("largest", masked.max(0)),
        ):
            np.testing.assert_allclose(getattr(item, field), np.ma.filled(right, np.nan), 1e-9, 1e-12, err_msg=name)
        spread = np.ma.filled(masked.std(0, ddof=1), np.nan) if known.sum(0).max() > 1 else np.full(SHAPE, np.nan)
        np.testing.assert_allclose(item.sd, spread, 1e-6, 1e-9, err_msg=name)
        np.testing.assert_allclose(item.skewness, skewness(values), 1e-4, 1e-4, err_msg=name)


def skewness(values: np.ndarray) -> np.ndarray:
    """scipy's; NaN where values do not differ."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.skew(values, axis=0, nan_policy="omit")
        differ = np.nanvar(values, axis=0) > 1e-8 * np.nanmean(values**2, axis=0)
    return np.where(differ, np.ma.filled(found, np.nan), np.nan)


class TestHeadStats(OnEachDatabase):
    @staticmethod
    def whole(name: str) -> PromptSet:
        return make_set(*(make_prompt(f"p{key}", f"The cat sat {key}") for key in range(30)), name=name)

    def save(self, filled: Filled, results: Sequence[RunResult], name: str, experiment: str = "first") -> list[str]:
        job = filled.job(experiment)
        return list(filled.store.save(job, make_info(), self.whole(name), [], 0, results).run_ids)

    def test_they_are_numpys_over_batches_and_prompt_sets(self, filled: Filled) -> None:
        one, two, other = runs(range(5)), runs(range(5, 9)), runs(range(20, 23), seed=1)
        self.save(filled, one, "a")
        self.save(filled, two[:2], "b")
        self.save(filled, [*two[2:], make_failure(make_prompt("p29"))], "b")
        self.save(filled, other, "a", "second")
        assert_numpys(means(filled.store, "first"), [*one, *two])
        assert_numpys(means(filled.store, "first", "tiny", "b"), two)
        assert_numpys(means(filled.store, "second"), other)
        for nothing in (("third", "", ""), ("first", "gpt", ""), ("first", "", "c")):
            assert means(filled.store, *nothing) == ()
        assert filled.store.check() == []

    def test_the_view_says_the_same(self, filled: Filled) -> None:
        self.save(filled, runs([0]), "a")
        self.save(filled, runs([1, 2]), "a")
        rows = readonly.run(filled.store.url, "SELECT * FROM v_head_stats").table.to_pylist()
        found = {item.statistic: item for item in means(filled.store, "first")}
        assert len(rows) == 12 * len(found)
        for row in rows:
            item, cell = found[row["statistic"]], (row["layer"], row["head"])
            assert (row["experiment"], row["model"], row["prompt_set"]) == ("first", "tiny", "a")
            assert row["n"] == item.n[cell]
            for name in ("mean", "mean_size", "sd", "skewness", "least", "largest"):
                value = np.nan if row[name] is None else row[name]
                np.testing.assert_allclose(value, getattr(item, name)[cell], 1e-6, 1e-9, err_msg=f"{name} {row}")

    def test_values_of_other_settings_are_apart(self, filled: Filled) -> None:
        (result,) = runs([1])
        ablated = result.attributions[0]
        mean = replace(ablated, params={"kind": "mean"}, scores=ablated.scores + 1)
        logit = replace(ablated, quantity="logit")
        self.save(filled, [replace(result, attributions=(ablated, mean, logit))], "a")
        found = [item for item in means(filled.store, "first") if item.statistic == "head_ablation"]
        assert [(item.quantity, item.params) for item in found] == [
            ("logit", '{"baseline": "hold_first", "steps": 50}'),
            ("logprob_difference", '{"baseline": "hold_first", "steps": 50}'),
            ("logprob_difference", '{"kind": "mean"}'),
        ]
        assert filled.store.check() == []

    def test_runs_written_again_are_counted_once(self, filled: Filled) -> None:
        results = runs(range(6))
        self.save(filled, results, "a")
        self.save(filled, results, "a")  # there already: left alone
        assert_numpys(means(filled.store, "first"), results)
        again = [
            replace(new, result_key=old.result_key) for new, old in zip(runs([0, 3], seed=5), results[::3], strict=True)
        ]
        more = runs([7])
        job, some = filled.job(), [*again, *more]
        filled.store.save(job, make_info(), self.whole("a"), [], 0, some, replace_old=True)
        kept = [*results[1:3], *results[4:], *again, *more]
        assert_numpys(means(filled.store, "first"), kept)
        assert filled.store.check() == []

    def test_a_failed_run_that_is_tried_again_is_counted(self, filled: Filled) -> None:
        (result,) = runs([4])
        partly = replace(result, status=RunStatus.FAILED, error="half", attributions=())
        self.save(filled, [partly], "a")
        self.save(filled, [result], "a")
        assert_numpys(means(filled.store, "first"), [result])
        assert filled.store.check() == []

    def test_writers_at_once_lose_no_run_and_count_none_twice(self, filled: Filled) -> None:
        """On PostgreSQL each has its own store, as workers do; DuckDB has one writer."""
        results, whole = runs(range(24)), self.whole("a")
        parts = [results[start : start + 2] for start in range(0, 24, 2)]
        jobs = iter([filled.job() for _ in parts])

        def write(part: tuple[str, list[RunResult]]) -> None:
            job, some = part
            if filled.store.engine.dialect.name == "duckdb":
                filled.store.save(job, make_info(), whole, [], 0, some)
                return
            with Store.open(filled.store.url) as own:
                own.save(job, make_info(), whole, [], 0, some)

        at_once(write, [(next(jobs), part) for part in parts])
        assert_numpys(means(filled.store, "first"), results)
        assert filled.store.check() == []

    def test_copies_are_counted_where_they_are(self, filled: Filled) -> None:
        results = runs(range(4))
        ids = self.save(filled, results, "a")
        hits = {result.prompt.id: run_id for result, run_id in zip(results, ids, strict=True)}
        assert filled.store.reuse(filled.job("second"), self.whole("a"), hits) == 4
        assert_numpys(means(filled.store, "second"), results)
        assert_numpys(means(filled.store, "first"), results)
        assert filled.store.check() == []

    def test_what_is_wrong_is_found_and_mended(self, filled: Filled) -> None:
        results = runs(range(4))
        self.save(filled, results, "a")
        with filled.store.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM head_sums WHERE statistic = 'induction'"))
        (line,) = filled.store.check()
        assert "head_sums of experiment" in line
        assert filled.store.repair() == ["added up the heads of 1 selection of runs anew"]
        assert filled.store.check() == []
        assert_numpys(means(filled.store, "first"), results)

    def test_an_older_store_is_added_up(self, filled: Filled) -> None:
        results = runs(range(7))
        self.save(filled, results[:4], "a")
        self.save(filled, results[4:], "b")
        url = filled.store.url
        filled.store.close()
        versions.downgrade(url, "0013")
        versions.upgrade(url)
        with Store.open(url) as store:
            assert_numpys(means(store, "first"), results)
            assert store.check() == []

    def test_a_selection_has_the_numbers_of_an_experiment_of_just_its_runs(self, filled: Filled) -> None:
        results, picked = runs(range(9)), ("p0", "p3", "p4", "p7")
        half = [result for result in results if result.prompt.id in picked]
        self.save(filled, results[:5], "a")
        self.save(filled, [*results[5:], make_failure(make_prompt("p29"))], "b")
        self.save(filled, half, "a", "half")
        selected = (Condition("experiment", "in", ("first", "none")), Condition("prompt_key", "in", picked))
        found = filled.store.head_stats(RunFilter(selected))
        assert (found.read, found.total) == (0, 0)
        assert_numpys(found.means, half)
        for one, other in zip(found.means, means(filled.store, "half"), strict=True):
            for name in ("n", "mean", "mean_size", "sd", "least", "largest"):
                np.testing.assert_allclose(getattr(one, name), getattr(other, name), 1e-9, 1e-12, err_msg=name)
        assert_numpys(filled.store.head_stats(RunFilter(selected[:1], search="SAT 5")).means, [results[5]])
        few = filled.store.head_stats(RunFilter(selected), most=1)
        assert (few.read, few.total) == (1, 4)
        assert_numpys(few.means, [results[7]])  # saved last

    def test_sums_that_are_kept_serve_every_selection_of_whole_experiments(
        self, filled: Filled, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = runs(range(3)), runs(range(3, 5))
        self.save(filled, [*first, make_failure(make_prompt("p29"))], "a")
        self.save(filled, second, "b", "second")
        monkeypatch.setattr("headscope.storage.read.head_arrays.sums", None)
        succeeded, sets = Condition("status", "in", ("succeeded",)), Condition("prompt_set", "ne", "c")
        assert_numpys(filled.store.head_stats(RunFilter((succeeded, sets))).means, [*first, *second])
        assert_numpys(filled.store.head_stats(RunFilter()).means, [*first, *second])
        with pytest.raises(TypeError):  # here they are not of just these runs
            filled.store.head_stats(RunFilter((Condition("prompt_key", "ne", "p0"),)))

    def test_one_head_run_by_run(self, filled: Filled) -> None:
        results = runs(range(7))
        self.save(filled, [*results, make_failure(make_prompt("p29"))], "a")
        self.save(filled, runs([20]), "a", "second")
        where = RunFilter((Condition("experiment", "eq", "first"),))
        found = filled.store.head_runs(where, 3, 1)
        assert (len(found.run_id), found.total) == (7, 7)
        order = [found.text.index(result.prompt.text) for result in results]
        for name in (*HEAD_STATS, *METHODS):
            right = expected(results, name)[:, 3, 1]
            mine = [values for (statistic, _, _), values in found.values.items() if statistic == name]
            if np.isfinite(right).any():
                np.testing.assert_array_equal(mine[0][order], right, err_msg=name)
            else:
                assert mine == [] or np.isnan(mine[0]).all()
        assert set(found.pair) == {"a\npair pair"}
        few = filled.store.head_runs(where, 3, 1, 4)
        assert (len(few.run_id), few.total) == (4, 7)
        assert set(few.run_id) < set(found.run_id)
        assert filled.store.head_runs(where, 9, 0).values == {}
