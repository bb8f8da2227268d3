"""What the store has is found and served again, on DuckDB and on a real PostgreSQL."""

from __future__ import annotations

from headscope.analysis.types import RunStatus
from headscope.storage.rows import Condition, RunFilter
from tests.factories import (
    make_failure,
    make_prompt,
    make_result,
    make_set,
)
from tests.filled_store import Filled, OnEachDatabase, assert_same


class TestReuse(OnEachDatabase):
    def test_find_results_takes_many_keys(self, filled: Filled) -> None:
        results = [make_result(make_prompt(f"p{i}", f"t {i}"), seed=i) for i in range(5)]
        ids = filled.save(*results)
        keys = [r.result_key for r in results] + [f"no such key {i}" for i in range(1200)]
        assert filled.store.find_results(keys) == dict(zip(keys[:5], ids, strict=True))

    def test_reuse_copies_with_arrays(self, filled: Filled) -> None:
        result = make_result(make_prompt("old", tags=("old",)), attention=True, evidence=True)
        (source,) = filled.save(result)
        prompt = make_prompt("new", tags=("new", "tags"), group="other", pair_id=None)
        job = filled.job("second")
        assert filled.store.reuse(job, make_set(prompt, name="other set"), {"new": source}) == 1
        (row,) = filled.store.runs_page(RunFilter((Condition("experiment", "eq", "second"),))).rows
        assert row.id != source
        assert (row.prompt_key, row.tags, row.group_name, row.pair_id) == ("new", ("new", "tags"), "other", None)
        assert row.prompt_set == "other set"
        copy, original = filled.store.run(row.id), filled.store.run(source)
        for name in (
            "target",
            "trace",
            "heads",
            "layers",
            "lens",
            "attributions",
            "continuation",
            "artifacts",
            "capsule",
        ):
            assert_same(getattr(original, name), getattr(copy, name), name)
        assert_same(result.attention, filled.store.attention(row.id))
        assert filled.keys(search="new") == {"new"}
        assert filled.store.check() == []

    def test_reuse_leaves_what_the_experiment_has(self, filled: Filled) -> None:
        prompt = make_prompt()
        (source,) = filled.save(make_result(prompt))
        assert filled.store.reuse(filled.job("first"), make_set(prompt), {prompt.id: source}) == 1
        assert filled.store.runs_page(RunFilter()).total == 1
        for _ in range(2):
            assert filled.store.reuse(filled.job("second"), make_set(prompt), {prompt.id: source}) == 1
            assert filled.store.runs_page(RunFilter()).total == 2

    def test_reuse_replaces_a_failure(self, filled: Filled) -> None:
        prompt = make_prompt()
        (source,) = filled.save(make_result(prompt))
        filled.save(make_failure(prompt), experiment="second")
        filled.store.reuse(filled.job("second"), make_set(prompt), {prompt.id: source})
        rows = filled.store.runs_page(RunFilter((Condition("experiment", "eq", "second"),))).rows
        assert [row.status for row in rows] == [RunStatus.SUCCEEDED]

    def test_reuse_of_a_run_that_is_gone(self, filled: Filled) -> None:
        hits = {"p1": "01a20766-c10e-7000-82e3-32d23155c6e9"}
        assert filled.store.reuse(filled.job(), make_set(make_prompt("p1")), hits) == 0
